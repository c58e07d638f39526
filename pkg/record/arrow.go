package record

import (
	"fmt"

	"github.com/apache/arrow/go/v15/arrow"

	"github.com/tilery/tilery/pkg/feature"
)

// ArrowType returns the Arrow type of columns of type t: boolean, int32, int64,
// float32, float64, utf8 (32-bit offsets), timestamp[us, UTC], or list<element>
// (32-bit offsets) whose elements may be null. It panics on feature.InvalidType,
// which no validated schema holds.
func ArrowType(t feature.Type) arrow.DataType {
	switch t {
	case feature.Bool:
		return arrow.FixedWidthTypes.Boolean
	case feature.Int32:
		return arrow.PrimitiveTypes.Int32
	case feature.Int64:
		return arrow.PrimitiveTypes.Int64
	case feature.Float32:
		return arrow.PrimitiveTypes.Float32
	case feature.Float64:
		return arrow.PrimitiveTypes.Float64
	case feature.String:
		return arrow.BinaryTypes.String
	case feature.Timestamp:
		return arrow.FixedWidthTypes.Timestamp_us
	}
	if t.IsArray() {
		return arrow.ListOfField(arrow.Field{Name: "element", Type: ArrowType(t.Element()), Nullable: true})
	}
	panic(fmt.Sprintf("record: type %s has no Arrow type", t)) //nolint:forbidigo // definitions are validated before they come here
}

// ArrowSchema returns the Arrow schema of records with the columns of s, in
// order, each nullable.
func ArrowSchema(s feature.Schema) *arrow.Schema {
	fields := make([]arrow.Field, len(s))
	for i, f := range s {
		fields[i] = arrow.Field{Name: f.Name, Type: ArrowType(f.Type), Nullable: true}
	}
	return arrow.NewSchema(fields, nil)
}
