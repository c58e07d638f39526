package record

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"

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

// Tags before each value. Null sorts first.
const (
	tagNull  = 0x01
	tagValue = 0x02
)

// Strings end with {0x00, 0x01}; a zero byte inside is {0x00, 0xff}, so that
// "a" sorts before "a\x00" and the end is never mistaken.
var (
	stringEnd  = []byte{0x00, 0x01}
	zeroInside = []byte{0x00, 0xff}
)

// KeyTypes are the types that join keys may have.
var KeyTypes = []feature.Type{feature.Int64, feature.String}

func appendInt64(dst []byte, v int64) []byte {
	return binary.BigEndian.AppendUint64(append(dst, tagValue), uint64(v)^1<<63)
}

func appendString[T string | []byte](dst []byte, v T) []byte {
	dst = append(dst, tagValue)
	for i := range len(v) {
		if v[i] == 0 {
			dst = append(dst, zeroInside...)
			continue
		}
		dst = append(dst, v[i])
	}
	return append(dst, stringEnd...)
}

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
		if values[i], rest, err = decodeValue(rest, f); err != nil {
			return nil, err
		}
	}
	if len(rest) != 0 {
		return nil, fmt.Errorf("%w: %d bytes too many", ErrDamagedKey, len(rest))
	}
	return values, nil
}

func decodeValue(data []byte, f feature.Field) (feature.Value, []byte, error) {
	damaged := fmt.Errorf("%w: %s", ErrDamagedKey, f.Name)
	if len(data) == 0 {
		return feature.Null, nil, damaged
	}
	tag, data := data[0], data[1:]
	if tag == tagNull {
		return feature.Null, data, nil
	}
	if tag != tagValue {
		return feature.Null, nil, damaged
	}
	switch f.Type {
	case feature.Int64:
		if len(data) < 8 {
			return feature.Null, nil, damaged
		}
		return feature.Int64Value(int64(binary.BigEndian.Uint64(data) ^ 1<<63)), data[8:], nil
	case feature.String:
		var text []byte
		for {
			i := bytes.IndexByte(data, 0)
			if i < 0 || i+1 >= len(data) {
				return feature.Null, nil, damaged
			}
			text = append(text, data[:i]...)
			switch data[i+1] {
			case stringEnd[1]:
				return feature.StringValue(string(text)), data[i+2:], nil
			case zeroInside[1]:
				text = append(text, 0)
				data = data[i+2:]
			default:
				return feature.Null, nil, damaged
			}
		}
	}
	return feature.Null, nil, damaged
}

// KeyEncoder encodes the join keys of the rows of Arrow columns without
// allocating per row.
type KeyEncoder struct {
	fields []feature.Field
	append []func(dst []byte, row int) []byte
}

// NewKeyEncoder prepares the columns, one per field in order. They must stay
// alive as long as the encoder is used.
func NewKeyEncoder(fields []feature.Field, columns []arrow.Array) (*KeyEncoder, error) {
	if len(fields) != len(columns) {
		return nil, fmt.Errorf("%w: %d columns for %d join keys", ErrKey, len(columns), len(fields))
	}
	e := &KeyEncoder{fields: fields}
	for i, f := range fields {
		var encode func(dst []byte, row int) []byte
		switch column := columns[i].(type) {
		case *array.Int64:
			values := column.Int64Values()
			encode = func(dst []byte, row int) []byte { return appendInt64(dst, values[row]) }
		case *array.String:
			encode = func(dst []byte, row int) []byte { return appendString(dst, column.Value(row)) }
		default:
			return nil, fmt.Errorf("%w: column %s has type %s, which cannot be a join key", ErrKey, f.Name, columns[i].DataType())
		}
		if column := columns[i]; column.NullN() > 0 {
			value := encode
			encode = func(dst []byte, row int) []byte {
				if column.IsNull(row) {
					return append(dst, tagNull)
				}
				return value(dst, row)
			}
		}
		e.append = append(e.append, encode)
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
		switch b := builders[i].(type) {
		case *array.Int64Builder:
			if v.IsNull() {
				b.AppendNull()
			} else {
				b.Append(v.Int64())
			}
		case *array.StringBuilder:
			if v.IsNull() {
				b.AppendNull()
			} else {
				b.Append(v.Text())
			}
		default:
			return fmt.Errorf("%w: %s cannot be stored in a column of type %s", ErrKey, fields[i].Name, builders[i].Type())
		}
	}
	return nil
}
