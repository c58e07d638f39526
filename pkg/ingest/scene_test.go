package ingest_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/apache/arrow/go/v15/arrow/memory"
	"github.com/stretchr/testify/require"

	"github.com/tilery/tilery/pkg/bucket"
	"github.com/tilery/tilery/pkg/bucket/buckettest"
	"github.com/tilery/tilery/pkg/feature"
	"github.com/tilery/tilery/pkg/forget"
	"github.com/tilery/tilery/pkg/frame"
	"github.com/tilery/tilery/pkg/ingest"
	"github.com/tilery/tilery/pkg/materialize"
	"github.com/tilery/tilery/pkg/offline"
	"github.com/tilery/tilery/pkg/offline/delta"
	"github.com/tilery/tilery/pkg/online"
	"github.com/tilery/tilery/pkg/online/pebble"
	"github.com/tilery/tilery/pkg/record"
	"github.com/tilery/tilery/pkg/registry"
	"github.com/tilery/tilery/pkg/window"
)

const workspace = registry.Production

// now is the time of all tests, a Thursday.
var now = window.FromTime(time.Date(2001, 1, 4, 12, 0, 0, 0, time.UTC))

var schema = feature.Schema{
	{Name: "user", Type: feature.Int64}, {Name: "shop", Type: feature.String}, {Name: "ts", Type: feature.Timestamp},
	{Name: "n", Type: feature.Int64}, {Name: "amount", Type: feature.Float64}, {Name: "label", Type: feature.String},
	{Name: "tags", Type: feature.ArrayOf(feature.Int64)},
}

// repository defines a feature table of that name.
func repository(name string) feature.Repository {
	return feature.Repository{
		Entities: []feature.Entity{{
			Metadata: feature.Metadata{Name: "user"},
			JoinKeys: feature.Schema{{Name: "user", Type: feature.Int64}, {Name: "shop", Type: feature.String}},
		}},
		FeatureTables: []feature.FeatureTable{{
			Metadata: feature.Metadata{Name: name}, Entities: []string{"user"}, Schema: schema, Online: true, Offline: true,
		}},
	}
}

// scene is an engine with one feature table.
type scene struct {
	t       require.TestingT
	ctx     context.Context
	engine  *ingest.Engine
	bucket  *buckettest.Memory
	online  online.Store
	name    string // of the table
	scratch string
	ids     int
}

func newScene(t *testing.T) *scene {
	return newSceneOf(t, t.Context(), newOnline(t), t.TempDir(), "clicks")
}

func newOnline(t *testing.T) online.Store {
	store, err := pebble.Open(filepath.Join(t.TempDir(), "online"), pebble.Options{CacheBytes: 8 << 20})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, store.Close()) })
	return store
}

func newSceneOf(t require.TestingT, ctx context.Context, store online.Store, scratch, name string) *scene { //nolint:revive // a rapid.T has no context
	s := &scene{t: t, ctx: ctx, bucket: buckettest.NewMemory(), online: store, scratch: scratch, name: name}
	_, err := registry.New(s.bucket).Apply(ctx, workspace, 0, repository(name), now)
	require.NoError(t, err)
	s.engine = s.over(s.bucket)
	return s
}

// over returns an engine that sees the bucket as b.
func (s *scene) over(b bucket.Bucket) *ingest.Engine {
	tables := &materialize.Engine{
		Bucket: b, Registry: registry.New(b), Online: s.online,
		Offline: delta.New(b, delta.Options{ScratchDir: s.scratch, RowGroupRows: 1000}),
	}
	return &ingest.Engine{Bucket: b, Tables: tables, Fences: &forget.Store{Bucket: b}, Options: ingest.Options{ScratchDir: s.scratch}}
}

func (s *scene) stage(format frame.Format, data []byte) ingest.Frame {
	path, err := s.engine.Reserve(s.ctx, workspace, s.name)
	require.NoError(s.t, err)
	f, err := s.engine.Stage(s.ctx, path, format, bytes.NewReader(data))
	require.NoError(s.t, err)
	return f
}

func (s *scene) accept(f ingest.Frame) ingest.Ticket {
	ticket, err := s.engine.Accept(s.ctx, f, now)
	require.NoError(s.t, err)
	return ticket
}

func (s *scene) request(t ingest.Ticket) ingest.BuildRequest {
	s.ids++
	return ingest.BuildRequest{Ticket: t, Attempt: fmt.Sprintf("try-%d", s.ids), Now: now}
}

func (s *scene) build(t ingest.Ticket) ingest.Built {
	built, err := s.engine.Build(s.ctx, s.request(t))
	require.NoError(s.t, err)
	return built
}

func (s *scene) commit(t ingest.Ticket, b ingest.Built) offline.Outcome {
	s.ids++
	result, err := s.engine.Commit(s.ctx, t, b.Manifest, fmt.Sprintf("commit-%d", s.ids), "test", now)
	require.NoError(s.t, err)
	require.Len(s.t, result.Outcomes, 1)
	return result.Outcomes[0]
}

// run ingests a frame.
func (s *scene) run(format frame.Format, data []byte) ingest.Built {
	ticket := s.accept(s.stage(format, data))
	built := s.build(ticket)
	require.Equal(s.t, offline.Committed, s.commit(ticket, built))
	return built
}

func (s *scene) target() *materialize.Target {
	target, err := s.engine.Tables.Target(s.ctx, workspace, 0, s.name)
	require.NoError(s.t, err)
	return target
}

func (s *scene) table() offline.Table {
	table, err := s.engine.Tables.Table(s.ctx, s.target(), now)
	require.NoError(s.t, err)
	return table
}

// row is one of a table: its values but keys and time as text.
type row struct {
	user   int64
	shop   string
	at     window.Time
	values string
}

// id is what only one row counts of.
type id struct {
	user int64
	shop string
	at   window.Time
}

func (r row) id() id { return id{r.user, r.shop, r.at} }

// stored is a row with the number of its ingest.
type stored struct {
	row
	sequence int64
}

// readOffline returns the rows that count: by keys and time those of the greatest number.
func (s *scene) readOffline() map[id]stored {
	table := s.table()
	snapshot, err := table.Snapshot(s.ctx)
	require.NoError(s.t, err)
	out := map[id]stored{}
	for _, f := range snapshot.Files {
		reader, err := table.OpenFile(s.ctx, f)
		require.NoError(s.t, err)
		for {
			rec, err := reader.Next()
			if errors.Is(err, io.EOF) {
				break
			}
			require.NoError(s.t, err)
			for _, r := range storedRows(rec) {
				if known, ok := out[r.id()]; !ok || known.sequence < r.sequence {
					out[r.id()] = r
				}
			}
		}
		require.NoError(s.t, reader.Close())
	}
	return out
}

func storedRows(rec arrow.Record) (out []stored) {
	users, shops, times := rec.Column(0).(*array.Int64), rec.Column(1).(*array.String), rec.Column(2).(*array.Timestamp)
	last := int(rec.NumCols()) - 1
	for i := range int(rec.NumRows()) {
		r := stored{row: row{user: users.Value(i), shop: shops.Value(i), at: window.Time(times.Value(i))}}
		for _, column := range rec.Columns()[3:last] {
			r.values += column.ValueStr(i) + ";"
		}
		r.sequence = rec.Column(last).(*array.Int64).Value(i)
		out = append(out, r)
	}
	return out
}

// sprint returns the values of a row but keys and time as storedRows does.
func sprint(values []feature.Value) (text string) {
	for i, v := range values {
		b := array.NewBuilder(memory.DefaultAllocator, record.ArrowType(schema[3+i].Type))
		_ = record.AppendColumns([]array.Builder{b}, []feature.Value{v})
		text += b.NewArray().ValueStr(0) + ";"
	}
	return text
}

// objects lists what the bucket holds.
func (s *scene) objects() string {
	var out strings.Builder
	for info, err := range s.bucket.List(s.ctx, "", "") {
		require.NoError(s.t, err)
		fmt.Fprintln(&out, info.Key, info.Size)
	}
	return out.String()
}

// file writes rows, each with the values of the schema's columns, in a format.
func file(t require.TestingT, format frame.Format, schema feature.Schema, rows ...[]feature.Value) []byte {
	b := array.NewRecordBuilder(memory.DefaultAllocator, record.ArrowSchema(schema))
	for _, values := range rows {
		require.NoError(t, record.AppendColumns(b.Fields(), values))
	}
	rec := b.NewRecord()
	var out bytes.Buffer
	w, err := frame.NewWriter(&out, format, schema)
	require.NoError(t, err)
	if len(rows) > 0 {
		require.NoError(t, w.Write(rec))
	}
	require.NoError(t, w.Close())
	return out.Bytes()
}

// values returns a row of the schema.
func values(user int64, shop string, at window.Time, n int64) []feature.Value {
	return []feature.Value{
		feature.Int64Value(user), feature.StringValue(shop), feature.TimestampValue(at), feature.Int64Value(n),
		feature.Float64Value(float64(n) / 2), feature.StringValue(fmt.Sprint("label ", n)),
		feature.ArrayValue(feature.Int64, []feature.Value{feature.Int64Value(n), feature.Null}),
	}
}
