package delta

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"slices"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/apache/arrow/go/v15/arrow/memory"
	"github.com/apache/arrow/go/v15/parquet"
	"github.com/apache/arrow/go/v15/parquet/compress"
	"github.com/apache/arrow/go/v15/parquet/pqarrow"

	"github.com/tilery/tilery/pkg/bucket"
	"github.com/tilery/tilery/pkg/offline"
	"github.com/tilery/tilery/pkg/window"
)

// Rows of a checkpoint that are held in Arrow at once, and of its row groups.
const (
	checkpointBatch     = 1 << 10
	checkpointGroupRows = 16 * checkpointBatch
)

// checkpointSetting is the key of checkpointInfo in the Parquet file.
const checkpointSetting = "tilery.checkpoint"

// checkpointInfo is what Delta's actions do not hold of a state.
type checkpointInfo struct {
	Version int64       `json:"version"`
	Clock   window.Time `json:"clock"`
	Commits []string    `json:"commits"`
}

// The columns of a checkpoint: one for each kind of action, null in rows of others.
const (
	protocolColumn = iota
	metaDataColumn
	txnColumn
	addColumn
	removeColumn
)

var checkpointSchema = func() *arrow.Schema {
	column := func(name string, fields ...arrow.Field) arrow.Field {
		for i := range fields {
			fields[i].Nullable = true
		}
		return arrow.Field{Name: name, Type: arrow.StructOf(fields...), Nullable: true}
	}
	text, long, integer, flag := arrow.BinaryTypes.String, arrow.PrimitiveTypes.Int64, arrow.PrimitiveTypes.Int32, arrow.FixedWidthTypes.Boolean
	texts := arrow.MapOf(text, text)
	return arrow.NewSchema([]arrow.Field{
		protocolColumn: column("protocol",
			arrow.Field{Name: "minReaderVersion", Type: integer}, arrow.Field{Name: "minWriterVersion", Type: integer}),
		metaDataColumn: column("metaData",
			arrow.Field{Name: "id", Type: text}, arrow.Field{Name: "name", Type: text}, arrow.Field{Name: "description", Type: text},
			column("format", arrow.Field{Name: "provider", Type: text}, arrow.Field{Name: "options", Type: texts}),
			arrow.Field{Name: "schemaString", Type: text}, arrow.Field{Name: "partitionColumns", Type: arrow.ListOf(text)},
			arrow.Field{Name: "configuration", Type: texts}, arrow.Field{Name: "createdTime", Type: long}),
		txnColumn: column("txn",
			arrow.Field{Name: "appId", Type: text}, arrow.Field{Name: "version", Type: long}, arrow.Field{Name: "lastUpdated", Type: long}),
		addColumn: column("add",
			arrow.Field{Name: "path", Type: text}, arrow.Field{Name: "partitionValues", Type: texts}, arrow.Field{Name: "size", Type: long},
			arrow.Field{Name: "modificationTime", Type: long}, arrow.Field{Name: "dataChange", Type: flag},
			arrow.Field{Name: "stats", Type: text}, arrow.Field{Name: "tags", Type: texts}),
		removeColumn: column("remove",
			arrow.Field{Name: "path", Type: text}, arrow.Field{Name: "deletionTimestamp", Type: long}, arrow.Field{Name: "dataChange", Type: flag}),
	}, nil)
}()

// lasting returns the paths of the tombstones that are not before the horizon.
func (s *state) lasting(h horizon) []string {
	var out []string
	for path, removed := range s.tombstones {
		if removed >= h.removed {
			out = append(out, path)
		}
	}
	slices.Sort(out)
	return out
}

// rows returns how many rows a checkpoint of s has.
func (s *state) rows(h horizon) int64 {
	rows := 2 + len(s.files) + len(s.readAt) + len(s.txns) + len(s.lasting(h)) + len(s.lastingFences(h))
	for _, at := range s.appended {
		if at >= h.appended {
			rows++
		}
	}
	if s.fence != 0 {
		rows++
	}
	return int64(rows)
}

// encode renders s as a checkpoint, without what lies before the horizon. Equal states
// give equal bytes, wherever they were read from.
func (s *state) encode(h horizon) ([]byte, error) {
	e, err := newCheckpointEncoder(h, s.lasting(h))
	if err != nil {
		return nil, fmt.Errorf("encode checkpoint: %w", err)
	}
	defer e.rows.Release()
	err = guard(func() error {
		for _, step := range []func(*state) error{e.addTable, e.addTxns, e.addFiles, e.addTombstones, e.finish} {
			if err := step(s); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("encode checkpoint: %w", err)
	}
	return e.out.Bytes(), nil
}

type checkpointEncoder struct {
	horizon    horizon
	tombstones []string // that are written
	out        *bytes.Buffer
	parquet    *pqarrow.FileWriter
	rows       *array.RecordBuilder
	held       int64 // in rows
	group      int64 // in the open row group
}

func newCheckpointEncoder(h horizon, tombstones []string) (*checkpointEncoder, error) {
	out := &bytes.Buffer{}
	props := parquet.NewWriterProperties(
		parquet.WithCompression(compress.Codecs.Snappy), // any Delta reader has it
		parquet.WithMaxRowGroupLength(checkpointGroupRows),
	)
	w, err := pqarrow.NewFileWriter(checkpointSchema, out, props, pqarrow.NewArrowWriterProperties())
	if err != nil {
		return nil, err
	}
	return &checkpointEncoder{
		horizon: h, tombstones: tombstones, out: out, parquet: w,
		rows: array.NewRecordBuilder(memory.DefaultAllocator, checkpointSchema),
	}, nil
}

// row appends a row whose only column is the given one. Values are those of the
// column's fields, in order.
func (e *checkpointEncoder) row(column int, values ...any) error {
	for i, field := range e.rows.Fields() {
		if i != column {
			field.AppendNull()
			continue
		}
		appendStruct(field.(*array.StructBuilder), values)
	}
	if e.held++; e.held == checkpointBatch {
		return e.flush()
	}
	return nil
}

func (e *checkpointEncoder) flush() error {
	rec := e.rows.NewRecord()
	defer rec.Release()
	if e.group == checkpointGroupRows {
		e.parquet.NewBufferedRowGroup()
		e.group = 0
	}
	e.group += e.held
	e.held = 0
	if err := e.parquet.WriteBuffered(rec); err != nil {
		return err
	}
	if e.out.Len() > bucket.MaxObjectBytes { // the bucket refuses it in the end
		return fmt.Errorf("%w: more than %d bytes", bucket.ErrTooLarge, bucket.MaxObjectBytes)
	}
	return nil
}

// appendStruct appends values of the types that the schema's fields have; nil is null.
func appendStruct(to *array.StructBuilder, values []any) {
	to.Append(true)
	for i, v := range values {
		switch v := v.(type) {
		case nil:
			to.FieldBuilder(i).AppendNull()
		case string:
			to.FieldBuilder(i).(*array.StringBuilder).Append(v)
		case int64:
			to.FieldBuilder(i).(*array.Int64Builder).Append(v)
		case int32:
			to.FieldBuilder(i).(*array.Int32Builder).Append(v)
		case bool:
			to.FieldBuilder(i).(*array.BooleanBuilder).Append(v)
		case []string:
			list := to.FieldBuilder(i).(*array.ListBuilder)
			list.Append(true)
			list.ValueBuilder().(*array.StringBuilder).AppendValues(v, nil)
		case map[string]string:
			appendMap(to.FieldBuilder(i).(*array.MapBuilder), v)
		case []any:
			appendStruct(to.FieldBuilder(i).(*array.StructBuilder), v)
		}
	}
}

func appendMap(to *array.MapBuilder, values map[string]string) {
	to.Append(true)
	for _, key := range slices.Sorted(maps.Keys(values)) {
		to.KeyBuilder().(*array.StringBuilder).Append(key)
		to.ItemBuilder().(*array.StringBuilder).Append(values[key])
	}
}

// optional is text, or null where it is empty.
func optional(text string) any {
	if text == "" {
		return nil
	}
	return text
}

func (e *checkpointEncoder) addTable(s *state) error {
	if err := e.row(protocolColumn, int32(s.protocol.MinReaderVersion), int32(s.protocol.MinWriterVersion)); err != nil {
		return err
	}
	m := s.metaData
	return e.row(metaDataColumn, m.ID, optional(m.Name), optional(m.Description), []any{m.Format.Provider, m.Format.Options},
		m.SchemaString, m.PartitionColumns, m.Configuration, m.CreatedTime)
}

func (e *checkpointEncoder) addTxns(s *state) error {
	if s.fence != 0 {
		if err := e.row(txnColumn, fenceID, s.fence, nil); err != nil {
			return err
		}
	}
	for _, f := range s.lastingFences(e.horizon) {
		x := f.txn()
		if err := e.row(txnColumn, x.AppID, x.Version, x.LastUpdated); err != nil {
			return err
		}
	}
	for _, name := range slices.Sorted(maps.Keys(s.appended)) {
		at := s.appended[name]
		if at < e.horizon.appended {
			continue
		}
		x := buildTxn(offline.Build{Append: name}, at.Time().UnixMilli())
		if err := e.row(txnColumn, x.AppID, x.Version, x.LastUpdated); err != nil {
			return err
		}
	}
	for _, start := range slices.Sorted(maps.Keys(s.readAt)) {
		b := offline.Build{Window: window.Interval{Start: start}, ReadAt: s.readAt[start]}
		x := windowTxn(b, 0)
		if err := e.row(txnColumn, x.AppID, x.Version, nil); err != nil {
			return err
		}
	}
	for _, id := range slices.Sorted(maps.Keys(s.txns)) {
		var updated any
		if at := s.txns[id].LastUpdated; at != 0 {
			updated = at
		}
		if err := e.row(txnColumn, id, s.txns[id].Version, updated); err != nil {
			return err
		}
	}
	return nil
}

func (e *checkpointEncoder) addFiles(s *state) error {
	for _, f := range s.live() {
		a := addOf(f)
		if err := e.row(addColumn, a.Path, a.PartitionValues, a.Size, a.ModificationTime, false, a.Stats, a.Tags); err != nil {
			return err
		}
	}
	return nil
}

func (e *checkpointEncoder) addTombstones(s *state) error {
	for _, path := range e.tombstones {
		if err := e.row(removeColumn, path, s.tombstones[path].Time().UnixMilli(), false); err != nil {
			return err
		}
	}
	return nil
}

func (e *checkpointEncoder) finish(s *state) error {
	info, err := json.Marshal(checkpointInfo{
		Version: s.number,
		Clock:   s.clock,
		Commits: s.commits[max(0, len(s.commits)-keptCommitIDs):],
	})
	if err != nil {
		return err
	}
	if err := e.flush(); err != nil {
		return err
	}
	if err := e.parquet.AppendKeyValueMetadata(checkpointSetting, string(info)); err != nil {
		return err
	}
	if err := e.parquet.AppendKeyValueMetadata(sealSetting, unsealed); err != nil { // the last
		return err
	}
	if err := e.parquet.Close(); err != nil {
		return err
	}
	return seal(e.out.Bytes())
}
