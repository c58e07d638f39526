package main

import (
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/apache/arrow/go/v15/arrow/memory"
	"github.com/apache/arrow/go/v15/parquet"
	"github.com/apache/arrow/go/v15/parquet/pqarrow"

	"github.com/tilery/tilery/pkg/feature"
	"github.com/tilery/tilery/pkg/record"
	"github.com/tilery/tilery/pkg/window"
)

// The busy window has so many events in a tile that its distributions and distinct
// counts are no longer exact.
const (
	eventsPerWindow = 120
	busyWindow      = 3
	busyEvents      = 8000
)

// source is the raw data: a file for each window, which may be written again.
type source struct {
	dir  string
	seed uint64
}

// write makes the events of a window be those of a revision; none if empty is set.
func (s source) write(w int, revision uint64, empty bool) error {
	path := filepath.Join(s.dir, fmt.Sprintf("events-%03d.parquet", w))
	if empty {
		err := os.Remove(path)
		if errors.Is(err, os.ErrNotExist) {
			return nil
		}
		return err
	}
	count := eventsPerWindow
	if w == busyWindow {
		count = busyEvents
	}
	r := rand.New(rand.NewPCG(s.seed, uint64(w)<<8|revision))
	events := array.NewRecordBuilder(memory.DefaultAllocator, record.ArrowSchema(eventSchema))
	defer events.Release()
	for range count {
		if err := record.AppendColumns(events.Fields(), event(r, at(w))); err != nil {
			return err
		}
	}
	rec := events.NewRecord()
	defer rec.Release()
	return writeParquet(path, rec)
}

func writeParquet(path string, rec arrow.Record) (err error) {
	file, err := os.Create(path)
	if err != nil {
		return err
	}
	out, err := pqarrow.NewFileWriter(rec.Schema(), file, parquet.NewWriterProperties(), pqarrow.DefaultWriterProps())
	if err != nil {
		return errors.Join(err, file.Close())
	}
	return errors.Join(out.Write(rec), out.Close()) // which closes the file
}

// event returns a row of eventSchema in w: few keys, times that are often equal,
// and nulls everywhere but in the time.
func event(r *rand.Rand, w window.Interval) []feature.Value {
	values := []feature.Value{
		pick(r, feature.Int64Value(1), feature.Int64Value(1), feature.Int64Value(1), feature.Int64Value(-7), feature.Int64Value(math.MaxInt64), feature.Null),
		pick(r, feature.StringValue("a"), feature.StringValue("a"), feature.StringValue("a"), feature.StringValue(""), feature.StringValue("größe\t\"x\""), feature.Null),
		feature.TimestampValue(w.Start + window.Time(r.Int64N(int64(w.End-w.Start)))),
	}
	if r.IntN(3) == 0 { // on a whole minute
		values[2] = feature.TimestampValue(values[2].Timestamp() / 60e6 * 60e6)
	}
	for _, column := range eventSchema[keyColumns:] {
		values = append(values, value(r, column.Type))
	}
	return values
}

// value returns a value of a type, or null.
func value(r *rand.Rand, t feature.Type) feature.Value {
	if r.IntN(8) == 0 {
		return feature.Null
	}
	switch t {
	case feature.Bool:
		return feature.BoolValue(r.IntN(2) == 0)
	case feature.Int32:
		return feature.Int32Value(pick(r, math.MaxInt32, math.MinInt32, r.Int32N(100)))
	case feature.Int64: // two of the largest in a tile do not fit into 64 bits
		if r.IntN(30) == 0 {
			return feature.Int64Value(pick[int64](r, math.MaxInt64, math.MinInt64))
		}
		return feature.Int64Value(r.Int64N(1e6) - 1e5)
	case feature.Float32:
		return feature.Float32Value(float32(r.NormFloat64()))
	case feature.Float64:
		if r.IntN(200) == 0 {
			return feature.Float64Value(pick(r, math.NaN(), math.Inf(1), math.Inf(-1), math.Copysign(0, -1)))
		}
		return feature.Float64Value(pick(r, 1e12, -1e12, 0.1, 1e-9, r.NormFloat64()))
	case feature.String:
		return feature.StringValue(pick(r, "", "x", "ß→\U0001F600", fmt.Sprint("label ", r.IntN(300))))
	case feature.Timestamp:
		return feature.TimestampValue(start + window.Time(r.Int64N(1e15)-5e14))
	}
	elements := make([]feature.Value, r.IntN(4))
	for i := range elements {
		elements[i] = value(r, t.Element())
	}
	return feature.ArrayValue(t.Element(), elements)
}

func pick[T any](r *rand.Rand, values ...T) T { return values[r.IntN(len(values))] }
