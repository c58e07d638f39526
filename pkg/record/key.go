package record

import (
	"errors"
	"fmt"
	"slices"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"

	"github.com/tilery/tilery/pkg/feature"
)

// keyVersion is the first byte of every encoded key.
const keyVersion = 1

// MaxKeyBytes bounds an encoded key: DynamoDB holds keys of up to 2 KB, and the
// names of the store and the block need their share.
const MaxKeyBytes = 1 << 10

var (
	// ErrKey is a join key that cannot be encoded: of another type or too long.
	ErrKey = errors.New("bad join key")
	// ErrDamagedKey is an encoded key that cannot be decoded.
	ErrDamagedKey = errors.New("damaged key")
)

// KeyTypes are the types that join keys may have.
var KeyTypes = []feature.Type{feature.Int64, feature.String}

// AppendKey appends the encoding of one entity. values are in the order of
// fields; a value of another type than its field is ErrKey.
func AppendKey(dst []byte, fields []feature.Field, values []feature.Value) ([]byte, error) {
	if len(fields) != len(values) {
		return nil, fmt.Errorf("%w: %d values for %d columns", ErrKey, len(values), len(fields))
	}
	start := len(dst)
	dst = append(dst, keyVersion)
	for i, f := range fields {
		v := values[i]
		switch {
		case v.IsNull():
			dst = append(dst, tagNull)
		case v.Type() != f.Type:
			return nil, fmt.Errorf("%w: %s is %s, want %s", ErrKey, f.Name, v.Type(), f.Type)
		case f.Type == feature.Int64:
			dst = appendInt64(dst, v.Int64())
		case f.Type == feature.String:
			dst = appendString(dst, v.Text())
		default:
			return nil, fmt.Errorf("%w: %s has type %s, which cannot be a join key", ErrKey, f.Name, f.Type)
		}
	}
	if len(dst)-start > MaxKeyBytes {
		return nil, fmt.Errorf("%w: %d bytes, at most %d are allowed", ErrKey, len(dst)-start, MaxKeyBytes)
	}
	return dst, nil
}

// DecodeKey returns the values of an encoded key.
func DecodeKey(key []byte, fields []feature.Field) ([]feature.Value, error) {
	if len(key) == 0 || key[0] != keyVersion {
		return nil, fmt.Errorf("%w: unknown version", ErrDamagedKey)
	}
	rest := key[1:]
	values := make([]feature.Value, len(fields))
	for i, f := range fields {
		var err error
		if values[i], rest, err = decodeValue(rest, f.Type); err != nil {
			return nil, fmt.Errorf("%w: %s: %w", ErrDamagedKey, f.Name, err)
		}
	}
	if len(rest) != 0 {
		return nil, fmt.Errorf("%w: %d bytes too many", ErrDamagedKey, len(rest))
	}
	return values, nil
}

// KeyEncoder encodes the join keys of the rows of Arrow columns without
// allocating per row.
type KeyEncoder struct{ append []valueEncoder }

// NewKeyEncoder prepares the columns, one per field in order. They must stay
// alive as long as the encoder is used.
func NewKeyEncoder(fields []feature.Field, columns []arrow.Array) (*KeyEncoder, error) {
	if len(fields) != len(columns) {
		return nil, fmt.Errorf("%w: %d columns for %d join keys", ErrKey, len(columns), len(fields))
	}
	e := &KeyEncoder{}
	for i, f := range fields {
		if !slices.Contains(KeyTypes, f.Type) || !arrow.TypeEqual(columns[i].DataType(), ArrowType(f.Type)) {
			return nil, fmt.Errorf("%w: column %s has type %s, which cannot be a join key", ErrKey, f.Name, columns[i].DataType())
		}
		e.append = append(e.append, columnEncoder(columns[i]))
	}
	return e, nil
}

// Append appends the key of a row. The caller bounds its length (MaxKeyBytes).
func (e *KeyEncoder) Append(dst []byte, row int) []byte {
	dst = append(dst, keyVersion)
	for _, encode := range e.append {
		dst = encode(dst, row)
	}
	return dst
}

// AppendKeyColumns appends the values of an encoded key to one builder per field.
func AppendKeyColumns(builders []array.Builder, fields []feature.Field, key []byte) error {
	values, err := DecodeKey(key, fields)
	if err != nil {
		return err
	}
	for i, v := range values {
		if err := appendToColumn(builders[i], v); err != nil {
			return fmt.Errorf("%w: %s: %w", ErrKey, fields[i].Name, err)
		}
	}
	return nil
}
