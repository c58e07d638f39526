package delta

import (
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/apache/arrow/go/v15/arrow"

	"github.com/tilery/tilery/pkg/bucket"
	"github.com/tilery/tilery/pkg/feature"
	"github.com/tilery/tilery/pkg/offline"
	"github.com/tilery/tilery/pkg/window"
)

// partitionColumn names the column that only the paths and the log hold.
const partitionColumn = "time_partition"

// partitionSetting is the setting that holds the unit of a table's partitions.
const partitionSetting = "tilery.partition"

// sequenceSetting names the column by which the last of equal rows is told.
const sequenceSetting = "tilery.sequence"

// maxPartitionsPerWindow bounds the files that one writer holds open.
const maxPartitionsPerWindow = 100

// partitionLengths are the shortest of each unit.
var partitionLengths = map[window.Partition]time.Duration{
	window.Day:   24 * time.Hour,
	window.Month: 28 * 24 * time.Hour,
	window.Year:  365 * 24 * time.Hour,
}

// checkSpec refuses what no table can be made of.
func checkSpec(spec offline.Spec) error {
	if err := bucket.ValidateKey(spec.Path); err != nil {
		return err
	}
	length, ok := partitionLengths[spec.Partition]
	switch {
	case !ok:
		return fmt.Errorf("partition %q is not day, month or year", spec.Partition)
	case spec.Sequence != "" && spec.Step != 0:
		return fmt.Errorf("step is %v, but rows with a sequence belong to no window", spec.Step)
	case spec.Sequence == "" && (spec.Step <= 0 || spec.Step%time.Microsecond != 0):
		return fmt.Errorf("step %v is not a positive number of microseconds", spec.Step)
	case spec.Step/length >= maxPartitionsPerWindow:
		return fmt.Errorf("step %v touches more than %d partitions of a %s", spec.Step, maxPartitionsPerWindow, spec.Partition)
	case spec.Schema == nil || len(spec.Keys) == 0 || spec.Schema.NumFields() <= len(spec.Keys):
		return fmt.Errorf("schema has no place for the join keys and the time")
	}
	if err := checkNames(spec.Schema, partitionColumn); err != nil {
		return err
	}
	for i, key := range spec.Keys {
		field := spec.Schema.Field(i)
		if field.Name != key.Name || keyTypes[key.Type] != field.Type.ID() {
			return fmt.Errorf("column %d is %s %s, want join key %s of type %s", i, field.Name, field.Type, key.Name, key.Type)
		}
	}
	if at := spec.Schema.Field(len(spec.Keys)); at.Name != spec.Time || !isTimestamp(at.Type) {
		return fmt.Errorf("column %d is %s %s, want the time column %s in UTC microseconds", len(spec.Keys), at.Name, at.Type, spec.Time)
	}
	if spec.Sequence == "" {
		return nil
	}
	last := spec.Schema.NumFields() - 1
	if f := spec.Schema.Field(last); last <= len(spec.Keys) || f.Name != spec.Sequence || f.Type.ID() != arrow.INT64 {
		return fmt.Errorf("column %d is %s %s, want the sequence %s of type int64", last, f.Name, f.Type, spec.Sequence)
	}
	return nil
}

// keyTypes are the Arrow types of record.KeyTypes.
var keyTypes = map[feature.Type]arrow.Type{feature.Int64: arrow.INT64, feature.String: arrow.STRING}

// checkNames refuses what Delta does without column mapping: two names that
// differ in case only, and signs that Parquet readers trip over.
func checkNames(schema *arrow.Schema, taken ...string) error {
	seen := map[string]bool{}
	for _, name := range taken {
		seen[name] = true
	}
	for _, field := range schema.Fields() {
		lower := strings.ToLower(field.Name)
		if field.Name == "" || strings.ContainsAny(field.Name, " ,;{}()\n\t=") {
			return fmt.Errorf("column name %q is empty or holds one of \" ,;{}()=\"", field.Name)
		}
		if seen[lower] {
			return fmt.Errorf("column name %q is taken", field.Name)
		}
		seen[lower] = true
	}
	return nil
}

func isTimestamp(t arrow.DataType) bool {
	ts, ok := t.(*arrow.TimestampType)
	return ok && ts.Unit == arrow.Microsecond && ts.TimeZone == "UTC"
}

// deltaSchema and deltaField are Delta's JSON form of a schema.
type deltaSchema struct {
	Type   string       `json:"type"`
	Fields []deltaField `json:"fields"`
}

type deltaField struct {
	Name     string         `json:"name"`
	Type     any            `json:"type"` // a string, or an object for lists
	Nullable bool           `json:"nullable"`
	Metadata map[string]any `json:"metadata"`
}

func deltaType(t arrow.DataType) (any, error) {
	switch t := t.(type) {
	case *arrow.Int32Type:
		return "integer", nil
	case *arrow.Int64Type:
		return "long", nil
	case *arrow.Float32Type:
		return "float", nil
	case *arrow.Float64Type:
		return "double", nil
	case *arrow.BooleanType:
		return "boolean", nil
	case *arrow.StringType:
		return "string", nil
	case *arrow.BinaryType:
		return "binary", nil
	case *arrow.TimestampType:
		if isTimestamp(t) {
			return "timestamp", nil
		}
	case *arrow.ListType:
		element, err := deltaType(t.Elem())
		if err != nil {
			return nil, err
		}
		return map[string]any{"type": "array", "elementType": element, "containsNull": t.ElemField().Nullable}, nil
	}
	return nil, fmt.Errorf("columns of type %s cannot be stored", t)
}

func newDeltaSchema(columns *arrow.Schema) (deltaSchema, error) {
	schema := deltaSchema{Type: "struct", Fields: []deltaField{}}
	for _, field := range columns.Fields() {
		t, err := deltaType(field.Type)
		if err != nil {
			return deltaSchema{}, fmt.Errorf("column %s: %w", field.Name, err)
		}
		schema.Fields = append(schema.Fields, deltaField{field.Name, t, field.Nullable, map[string]any{}})
	}
	return schema, nil
}

// layout is what a table's metaData must say for a spec.
type layout struct {
	metaData metaData // without id and time
	schema   deltaSchema
}

func newLayout(spec offline.Spec) (*layout, error) {
	schema, err := newDeltaSchema(spec.Schema)
	if err != nil {
		return nil, err
	}
	schema.Fields = append(schema.Fields, deltaField{partitionColumn, "string", true, map[string]any{}})
	text, err := json.Marshal(schema)
	if err != nil {
		return nil, fmt.Errorf("encode schema: %w", err)
	}
	names := feature.Schema(spec.Keys).Names()
	keys, err := json.Marshal(names)
	if err != nil {
		return nil, fmt.Errorf("encode join keys: %w", err)
	}
	settings := map[string]string{
		"tilery.step":    spec.Step.String(),
		"tilery.keys":    string(keys),
		partitionSetting: string(spec.Partition),
		"tilery.format":  formatVersion,
	}
	if spec.Sequence != "" {
		settings[sequenceSetting] = spec.Sequence
	}
	return &layout{
		schema: schema,
		metaData: metaData{
			Format:           tableFormat{Provider: "parquet", Options: map[string]string{}},
			SchemaString:     string(text),
			PartitionColumns: []string{partitionColumn},
			Configuration:    settings,
		},
	}, nil
}

// check returns ErrMismatch, naming the first difference, unless a table with
// metaData m can be used with this layout. The partition may be another: it was
// chosen when the table was created. Settings of others are let be.
func (l *layout) check(m metaData) error {
	if m.Format.Provider != l.metaData.Format.Provider {
		return fmt.Errorf("%w: data files are %q, want %q", offline.ErrMismatch, m.Format.Provider, l.metaData.Format.Provider)
	}
	for _, name := range []string{"tilery.format", "tilery.step", "tilery.keys", sequenceSetting} {
		if got, want := m.Configuration[name], l.metaData.Configuration[name]; got != want {
			return fmt.Errorf("%w: %s is %q, want %q", offline.ErrMismatch, name, got, want)
		}
	}
	if !slices.Equal(m.PartitionColumns, l.metaData.PartitionColumns) {
		return fmt.Errorf("%w: partitioned by %q, want %q", offline.ErrMismatch, m.PartitionColumns, l.metaData.PartitionColumns)
	}
	var got deltaSchema
	if err := json.Unmarshal([]byte(m.SchemaString), &got); err != nil {
		return fmt.Errorf("%w: decode schema: %w", offline.ErrCorrupt, err)
	}
	for i, want := range l.schema.Fields {
		if i >= len(got.Fields) {
			return fmt.Errorf("%w: column %s is missing", offline.ErrMismatch, want.Name)
		}
		if f := got.Fields[i]; f.Name != want.Name || f.Nullable != want.Nullable || !reflect.DeepEqual(f.Type, want.Type) {
			return fmt.Errorf("%w: column %d is %s, want %s", offline.ErrMismatch, i, f, want)
		}
	}
	if extra := got.Fields[len(l.schema.Fields):]; len(extra) > 0 {
		return fmt.Errorf("%w: column %s was not asked for", offline.ErrMismatch, extra[0].Name)
	}
	return nil
}

// partition returns the unit that a table with metaData m is partitioned by.
func (m metaData) partition() (window.Partition, error) {
	p := window.Partition(m.Configuration[partitionSetting])
	if _, ok := partitionLengths[p]; !ok {
		return "", fmt.Errorf("%w: %s is %q, want day, month or year", offline.ErrMismatch, partitionSetting, p)
	}
	return p, nil
}

func (f deltaField) String() string {
	if f.Nullable {
		return fmt.Sprintf("%s %v", f.Name, f.Type)
	}
	return fmt.Sprintf("%s %v not null", f.Name, f.Type)
}

// checkWindow refuses an interval that is not one window of the table.
func checkWindow(spec offline.Spec, w window.Interval) error {
	if spec.Step <= 0 {
		return errors.New("the rows of the table belong to no window")
	}
	if !w.Aligned(spec.Step) || w.Count(spec.Step) != 1 {
		return fmt.Errorf("window %v is not one step of %v", w, spec.Step)
	}
	if w.Start < window.MinTime || w.End > window.MaxTime {
		return fmt.Errorf("window %v lies outside years 1 to 9999", w)
	}
	return nil
}
