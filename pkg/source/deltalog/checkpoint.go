package deltalog

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/apache/arrow/go/v15/arrow/memory"
	"github.com/apache/arrow/go/v15/parquet/file"
	"github.com/apache/arrow/go/v15/parquet/pqarrow"
)

// checkpointRows are read at a time.
const checkpointRows = 4096

// readCheckpoint hands the live state in one part of a checkpoint to apply. Its
// removes are of files that are not live any more.
func readCheckpoint(ctx context.Context, path string, apply func([]action) error) (err error) {
	opened, err := os.Open(path)
	if err != nil {
		return err
	}
	defer opened.Close()
	defer func() {
		if r := recover(); r != nil { // the library's answer to some damage
			err = fmt.Errorf("%w: %v", ErrDamaged, r)
		}
	}()
	err = readActions(ctx, opened, apply)
	if err == nil || ctx.Err() != nil || errors.Is(err, ErrUnsupported) || errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return fmt.Errorf("%w: %w", ErrDamaged, err)
}

// wanted are the columns of a checkpoint that are read, with all that is in them.
var wanted = []string{
	"add.path", "add.partitionValues", "add.size", "add.stats", "add.deletionVector",
	"metaData.schemaString", "metaData.partitionColumns", "metaData.configuration", "metaData.format.provider",
	"protocol.minReaderVersion", "protocol.readerFeatures", "sidecar.path",
}

func readActions(ctx context.Context, opened *os.File, apply func([]action) error) error {
	source, err := file.NewParquetReader(opened)
	if err != nil {
		return err
	}
	schema := source.MetaData().Schema
	var columns []int
	for i := range schema.NumColumns() {
		path := schema.Column(i).Path()
		for _, w := range wanted {
			if path == w || strings.HasPrefix(path, w+".") {
				columns = append(columns, i)
			}
		}
	}
	reader, err := pqarrow.NewFileReader(source, pqarrow.ArrowReadProperties{BatchSize: checkpointRows}, memory.DefaultAllocator)
	if err != nil {
		return err
	}
	records, err := reader.GetRecordReader(ctx, columns, nil)
	if err != nil {
		return err
	}
	defer records.Release()
	for records.Next() {
		actions, err := actionsOf(records.Record())
		if err != nil {
			return err
		}
		if err := apply(actions); err != nil {
			return err
		}
	}
	if err := records.Err(); err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	return nil
}

// actionsOf returns the rows of a checkpoint.
func actionsOf(r arrow.Record) ([]action, error) {
	var actions []action
	top := fields{}
	for i, f := range r.Schema().Fields() {
		top[f.Name] = r.Column(i)
	}
	add, metaData, protocol := top.group("add"), top.group("metaData"), top.group("protocol")
	if sidecar := top.group("sidecar")["path"]; sidecar != nil && sidecar.NullN() < sidecar.Len() {
		return nil, fmt.Errorf("%w: it has a version 2 checkpoint", ErrUnsupported)
	}
	for row := range int(r.NumRows()) {
		var a action
		switch {
		case add.text("path", row) != "":
			a.Add = addOf(add, row)
		case metaData.text("schemaString", row) != "":
			a.MetaData = metaDataOf(metaData, row)
		case protocol.number("minReaderVersion", row) != 0:
			a.Protocol = protocolOf(protocol, row)
		default:
			continue
		}
		actions = append(actions, a)
	}
	return actions, nil
}

func addOf(f fields, row int) *add {
	a := &add{
		Path: f.text("path", row), Size: f.number("size", row), Stats: f.text("stats", row),
		PartitionValues: f.texts("partitionValues", row),
	}
	if v := f.group("deletionVector"); v.text("storageType", row) != "" {
		offset := int32(v.number("offset", row))
		a.DeletionVector = &deletionVector{v.text("storageType", row), v.text("pathOrInlineDv", row), &offset}
	}
	return a
}

func metaDataOf(f fields, row int) *metaData {
	m := &metaData{SchemaString: f.text("schemaString", row), PartitionColumns: f.list("partitionColumns", row), Configuration: make(map[string]string)}
	m.Format.Provider = f.group("format").text("provider", row)
	for key, value := range f.texts("configuration", row) {
		if value != nil {
			m.Configuration[key] = *value
		}
	}
	return m
}

func protocolOf(f fields, row int) *protocol {
	return &protocol{MinReaderVersion: int(f.number("minReaderVersion", row)), ReaderFeatures: f.list("readerFeatures", row)}
}

// fields are columns by name. What is missing, null or of another type reads as
// the zero value: a checkpoint has only what its writer knew of.
type fields map[string]arrow.Array

func (f fields) group(name string) fields {
	column, ok := f[name].(*array.Struct)
	if !ok {
		return nil
	}
	out := fields{}
	for i, child := range column.DataType().(*arrow.StructType).Fields() {
		out[child.Name] = column.Field(i)
	}
	return out
}

func (f fields) text(name string, row int) string {
	if column, ok := f[name].(*array.String); ok && column.IsValid(row) {
		return column.Value(row)
	}
	return ""
}

func (f fields) number(name string, row int) int64 {
	switch column := f[name].(type) {
	case *array.Int64:
		if column.IsValid(row) {
			return column.Value(row)
		}
	case *array.Int32:
		if column.IsValid(row) {
			return int64(column.Value(row))
		}
	}
	return 0
}

func (f fields) list(name string, row int) []string {
	column, ok := f[name].(*array.List)
	if !ok || column.IsNull(row) {
		return nil
	}
	values := fields{"": column.ListValues()}
	start, end := column.ValueOffsets(row)
	var out []string
	for i := int(start); i < int(end); i++ {
		out = append(out, values.text("", i))
	}
	return out
}

func (f fields) texts(name string, row int) map[string]*string {
	column, ok := f[name].(*array.Map)
	if !ok || column.IsNull(row) {
		return nil
	}
	keys, values := fields{"": column.Keys()}, column.Items()
	start, end := column.ValueOffsets(row)
	out := make(map[string]*string)
	for i := int(start); i < int(end); i++ {
		var value *string
		if values.IsValid(i) {
			text := fields{"": values}.text("", i)
			value = &text
		}
		out[keys.text("", i)] = value
	}
	return out
}
