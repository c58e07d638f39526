package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/apache/arrow/go/v15/arrow/memory"

	"github.com/tilery/tilery/deploy/local/bench/report"
	"github.com/tilery/tilery/pkg/bucket/file"
	"github.com/tilery/tilery/pkg/feature"
	"github.com/tilery/tilery/pkg/keyset"
	"github.com/tilery/tilery/pkg/offline"
	"github.com/tilery/tilery/pkg/offline/delta"
	"github.com/tilery/tilery/pkg/record"
	"github.com/tilery/tilery/pkg/window"
)

var spec = offline.Spec{
	Path: "table",
	Keys: []feature.Field{{Name: "entity", Type: feature.String}},
	Time: "event_ts",
	Schema: arrow.NewSchema([]arrow.Field{
		{Name: "entity", Type: arrow.BinaryTypes.String, Nullable: true},
		{Name: "event_ts", Type: arrow.FixedWidthTypes.Timestamp_us, Nullable: true},
		{Name: "f_sum", Type: arrow.PrimitiveTypes.Float64, Nullable: true},
		{Name: "f_count", Type: arrow.PrimitiveTypes.Int64, Nullable: true},
		{Name: "ingest_sequence", Type: arrow.PrimitiveTypes.Int64, Nullable: true},
	}, nil),
	Partition: window.Month,
	Sequence:  "ingest_sequence",
}

func open(ctx context.Context, dir string) (offline.Table, error) {
	disk, err := file.Open(dir)
	if err != nil {
		return nil, err
	}
	return delta.New(disk, delta.Options{ScratchDir: dir}).Open(ctx, spec)
}

// keysAtOnce is how many keys a record of generated rows has.
const keysAtOnce = 5000

// generate ingests the rows, and draws the keys to delete.
func (o options) generate(ctx context.Context) error {
	names := make([]string, o.keys)
	for i := range names {
		names[i] = fmt.Sprint("user_", i)
	}
	slices.Sort(names)
	random := rand.New(rand.NewPCG(7, 7))
	table, err := open(ctx, filepath.Join(o.dir, "tilery"))
	if err != nil {
		return err
	}
	w, err := table.NewAppender(ctx, "bench")
	if err != nil {
		return err
	}
	for part := range slices.Chunk(names, keysAtOnce) {
		rec := o.record(random, part)
		err := w.Write(rec)
		rec.Release()
		if err != nil {
			return errors.Join(err, w.Abort())
		}
	}
	build, err := w.Close(ctx)
	if err != nil {
		return err
	}
	build.Append = "bench"
	if _, err := table.Commit(ctx, offline.Commit{ID: "bench", Builds: []offline.Build{build}}); err != nil {
		return err
	}
	random.Shuffle(len(names), func(i, j int) { names[i], names[j] = names[j], names[i] })
	return os.WriteFile(o.keysFile(), []byte(strings.Join(names[:o.deleted], "\n")), 0o600)
}

// record returns rows of keys at random times of a month, in order.
func (o options) record(random *rand.Rand, names []string) arrow.Record {
	rows := array.NewRecordBuilder(memory.DefaultAllocator, spec.Schema)
	defer rows.Release()
	start := time.Date(2025, 1, 1, 0, 0, 0, 0, time.UTC).UnixMicro()
	times := make([]int64, o.rows)
	for _, name := range names {
		for i := range times {
			times[i] = start + random.Int64N(30*24*time.Hour.Microseconds())
		}
		slices.Sort(times)
		for _, t := range times {
			rows.Field(0).(*array.StringBuilder).Append(name)
			rows.Field(1).(*array.TimestampBuilder).Append(arrow.Timestamp(t))
			rows.Field(2).(*array.Float64Builder).Append(math.Round(math.Exp(5+random.NormFloat64())*64) / 64)
			rows.Field(3).(*array.Int64Builder).Append(random.Int64N(500))
			rows.Field(4).(*array.Int64Builder).Append(1)
		}
	}
	return rows.NewRecord()
}

// erase deletes the keys from the copy, and prints its seconds and rows.
func (o options) erase(ctx context.Context, out io.Writer) error {
	keys, err := o.readKeys()
	if err != nil {
		return err
	}
	table, err := open(ctx, filepath.Join(o.dir, "run"))
	if err != nil {
		return err
	}
	s, err := table.Snapshot(ctx)
	if err != nil {
		return err
	}
	var r result
	err = report.Profiled(o.profile, func() (err error) {
		r, err = timed(ctx, table, s, keys)
		return err
	})
	if err != nil {
		return err
	}
	if err := verify(ctx, table, keys); err != nil {
		return err
	}
	_, err = fmt.Fprintln(out, r.seconds, r.rows)
	return err
}

// timed erases keys from the files of a snapshot.
func timed(ctx context.Context, table offline.Table, s offline.Snapshot, keys *keyset.Set) (result, error) {
	start := time.Now()
	e := offline.Erasure{ID: "erasure", Keys: keys, Fields: 1}
	for _, f := range table.MayHold(s, keys) {
		r, err := table.Rewrite(ctx, f, keys, 1, nil)
		if err != nil {
			return result{}, err
		}
		e.Rewrites = append(e.Rewrites, r)
	}
	erased, err := table.Erase(ctx, e)
	return result{time.Since(start).Seconds(), int(erased.Rows)}, err
}

func (o options) readKeys() (*keyset.Set, error) {
	text, err := os.ReadFile(o.keysFile())
	if err != nil {
		return nil, err
	}
	var keys [][]byte
	for name := range strings.SplitSeq(string(text), "\n") {
		key, err := record.AppendKey(nil, spec.Keys, []feature.Value{feature.StringValue(name)})
		if err != nil {
			return nil, err
		}
		keys = append(keys, key)
	}
	return keyset.New(keys)
}

// verify looks for the keys in all rows.
func verify(ctx context.Context, table offline.Table, keys *keyset.Set) error {
	s, err := table.Snapshot(ctx)
	if err != nil {
		return err
	}
	for _, f := range s.Files {
		if err := verifyFile(ctx, table, f, keys.Hashed()); err != nil {
			return err
		}
	}
	return nil
}

func verifyFile(ctx context.Context, table offline.Table, f offline.File, keys *keyset.Hashed) (err error) {
	r, err := table.OpenFile(ctx, f)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, r.Close()) }()
	for {
		rec, err := r.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		encoder, err := record.NewKeyEncoder(spec.Keys, rec.Columns()[:1])
		if err != nil {
			return err
		}
		var key []byte
		for row := range int(rec.NumRows()) {
			if key = encoder.Append(key[:0], row); keys.Contains(key) {
				return fmt.Errorf("file %s has a row of a deleted key", f.Path)
			}
		}
	}
}
