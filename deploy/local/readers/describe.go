package main

import (
	"bufio"
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"

	"github.com/tilery/tilery/pkg/feature"
	"github.com/tilery/tilery/pkg/materialize"
	"github.com/tilery/tilery/pkg/offline"
)

// partitionColumn is the last column that readers see.
const partitionColumn = "time_partition"

// description is a table as Tilery reads it: an element of tables.json.
type description struct {
	Name     string      `json:"name"`
	Path     string      `json:"path"`
	Events   string      `json:"events"` // directory of the raw events
	Keys     []string    `json:"keys"`
	Time     string      `json:"time"`
	Interval int64       `json:"interval"` // of tiles, in microseconds; 0: rows
	Columns  [][2]string `json:"columns"`  // name and Spark's type
	// Checkpoint is the oldest version that is left.
	Checkpoint int64 `json:"checkpoint"`
	Earlier    state `json:"earlier"`
	Head       state `json:"head"`

	deletedLog   int
	deletedFiles int
}

// state is a table at a version.
type state struct {
	Version    int64                `json:"version"`
	Rows       string               `json:"rows"` // file with a JSON array for each row, in any order
	Partitions map[string]partition `json:"partitions"`

	rows  int64
	files int
}

type partition struct {
	Rows  int64 `json:"rows"`
	Files int   `json:"files"`
}

func (w *world) describe(target *materialize.Target, t offline.Table) description {
	spec := t.Spec()
	d := description{
		Name: target.View.Name, Path: filepath.Join(w.dir, "bucket", spec.Path), Events: w.events.dir,
		Keys: feature.Schema(spec.Keys).Names(), Time: spec.Time, Interval: target.View.Interval().Microseconds(),
	}
	for _, f := range spec.Schema.Fields() {
		d.Columns = append(d.Columns, [2]string{f.Name, sparkType(f.Type)})
	}
	d.Columns = append(d.Columns, [2]string{partitionColumn, "string"})
	return d
}

func sparkType(t arrow.DataType) string {
	if list, ok := t.(*arrow.ListType); ok {
		return "array<" + sparkType(list.Elem()) + ">"
	}
	return map[arrow.Type]string{
		arrow.BOOL: "boolean", arrow.INT32: "int", arrow.INT64: "bigint", arrow.FLOAT32: "float", arrow.FLOAT64: "double",
		arrow.STRING: "string", arrow.BINARY: "binary", arrow.TIMESTAMP: "timestamp",
	}[t.ID()]
}

// dump writes the rows of the newest version to a file of that name.
func (w *world) dump(ctx context.Context, t offline.Table, name string) (s state, err error) {
	snapshot, err := t.Snapshot(ctx)
	if err != nil {
		return state{}, err
	}
	s = state{Version: snapshot.Version, Rows: filepath.Join(w.dir, "rows", name+".jsonl"), Partitions: map[string]partition{}, files: len(snapshot.Files)}
	file, err := os.Create(s.Rows)
	if err != nil {
		return state{}, err
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	out := bufio.NewWriter(file)
	for _, f := range snapshot.Files {
		p := s.Partitions[f.Partition]
		s.Partitions[f.Partition] = partition{p.Rows + f.Rows, p.Files + 1}
		s.rows += f.Rows
		if err := dumpFile(ctx, t, f, json.NewEncoder(out)); err != nil {
			return state{}, err
		}
	}
	return s, out.Flush()
}

func dumpFile(ctx context.Context, t offline.Table, f offline.File, out *json.Encoder) (err error) {
	reader, err := t.OpenFile(ctx, f)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, reader.Close()) }()
	for {
		rec, err := reader.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		for row := range int(rec.NumRows()) {
			cells := make([]any, 0, rec.NumCols()+1)
			for _, column := range rec.Columns() {
				cells = append(cells, cell(column, row))
			}
			if err := out.Encode(append(cells, f.Partition)); err != nil {
				return err
			}
		}
	}
}

// cell returns a value as tables.json has it, with every bit: times are
// microseconds, floats and binaries hexadecimal digits.
func cell(column arrow.Array, row int) any {
	if column.IsNull(row) {
		return nil
	}
	switch column := column.(type) {
	case *array.Boolean:
		return column.Value(row)
	case *array.Int32:
		return column.Value(row)
	case *array.Int64:
		return column.Value(row)
	case *array.Float32:
		return floatCell(float64(column.Value(row)))
	case *array.Float64:
		return floatCell(column.Value(row))
	case *array.String:
		return column.Value(row)
	case *array.Binary:
		return hex.EncodeToString(column.Value(row))
	case *array.Timestamp:
		return int64(column.Value(row))
	case *array.List:
		from, to := column.ValueOffsets(row)
		cells := []any{}
		for i := from; i < to; i++ {
			cells = append(cells, cell(column.ListValues(), int(i)))
		}
		return cells
	}
	return fmt.Sprintf("a value of %s", column.DataType())
}

// floatCell has one form of NaN.
func floatCell(v float64) string {
	if math.IsNaN(v) {
		return "NaN"
	}
	return fmt.Sprintf("%016x", math.Float64bits(v))
}

func writeJSON(path string, v any) error {
	data, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(path, data, 0o600)
}
