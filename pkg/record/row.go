package record

import (
	"errors"
	"fmt"
	"slices"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"

	"github.com/tilery/tilery/pkg/feature"
)

// rowVersion is the first byte of every encoded row.
const rowVersion = 1

// MaxRowBytes bounds an encoded row: an online store holds it in one cell.
const MaxRowBytes = 256 << 10

var (
	// ErrRow is a row that cannot be encoded: of another type or too long.
	ErrRow = errors.New("bad row")
	// ErrDamagedRow is an encoded row that cannot be decoded.
	ErrDamagedRow = errors.New("damaged row")
)

// RowEncoder encodes rows of Arrow columns of any feature.Type without
// allocating per row.
type RowEncoder struct{ append []valueEncoder }

// NewRowEncoder prepares the columns, one per field in order. They must stay
// alive as long as the encoder is used. A column of another type than its field
// is ErrRow.
func NewRowEncoder(fields []feature.Field, columns []arrow.Array) (*RowEncoder, error) {
	if len(fields) != len(columns) {
		return nil, fmt.Errorf("%w: %d columns for %d fields", ErrRow, len(columns), len(fields))
	}
	e := &RowEncoder{append: make([]valueEncoder, len(fields))}
	for i, f := range fields {
		if want := ArrowType(f.Type); !arrow.TypeEqual(columns[i].DataType(), want) {
			return nil, fmt.Errorf("%w: column %s has type %s, want %s", ErrRow, f.Name, columns[i].DataType(), want)
		}
		e.append[i] = columnEncoder(columns[i])
	}
	return e, nil
}

// Append appends the encoding of a row. The caller bounds its length (MaxRowBytes).
func (e *RowEncoder) Append(dst []byte, row int) []byte {
	dst = append(dst, rowVersion)
	for _, encode := range e.append {
		dst = encode(dst, row)
	}
	return dst
}

// DecodeRow appends the values of an encoded row, in the order of fields. It
// refuses what no RowEncoder writes for these fields.
func DecodeRow(dst []feature.Value, row []byte, fields []feature.Field) ([]feature.Value, error) {
	if len(row) == 0 || row[0] != rowVersion {
		return nil, fmt.Errorf("%w: not of version %d", ErrDamagedRow, rowVersion)
	}
	rest := row[1:]
	dst = slices.Grow(dst, len(fields))
	for _, f := range fields {
		var v feature.Value
		var err error
		if v, rest, err = decodeValue(rest, f.Type); err != nil {
			return nil, fmt.Errorf("%w: %s: %w", ErrDamagedRow, f.Name, err)
		}
		dst = append(dst, v)
	}
	if len(rest) != 0 {
		return nil, fmt.Errorf("%w: %d bytes too many", ErrDamagedRow, len(rest))
	}
	return dst, nil
}

// AppendColumns appends one value to each builder, which has the type of the
// value or takes a null.
func AppendColumns(builders []array.Builder, values []feature.Value) error {
	for i, v := range values {
		if err := appendToColumn(builders[i], v); err != nil {
			return fmt.Errorf("%w: column %d: %w", ErrRow, i, err)
		}
	}
	return nil
}
