package feature

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"strconv"

	"github.com/tilery/tilery/pkg/window"
)

// Literal is a value as people write it, in a test for instance, before its
// column's type is known: a JSON text.
type Literal string

// MarshalJSON implements json.Marshaler.
func (l Literal) MarshalJSON() ([]byte, error) { return []byte(l), nil }

// UnmarshalJSON implements json.Unmarshaler.
func (l *Literal) UnmarshalJSON(data []byte) error {
	*l = Literal(data)
	return nil
}

// Value reads l as a value of type t, or null. Integers may be written as texts,
// and so are "NaN", "Infinity" and "-Infinity"; times are texts, see window.Parse.
func (l Literal) Value(t Type) (Value, error) {
	decoder := json.NewDecoder(bytes.NewReader([]byte(l)))
	decoder.UseNumber()
	var raw any
	if err := decoder.Decode(&raw); err != nil {
		return Null, fmt.Errorf("read %s: %w", l, err)
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return Null, fmt.Errorf("read %s: more than one value", l)
	}
	v, ok := JSONValue(t, raw)
	if !ok {
		return Null, fmt.Errorf("%s is no %s", l, t)
	}
	return v, nil
}

// JSONValue returns a decoded JSON value, whose numbers are json.Numbers, as a value
// of type t, or null; false: it is none. See Literal.Value for what is one.
func JSONValue(t Type, raw any) (Value, bool) {
	text, isText := raw.(string)
	number, isNumber := raw.(json.Number)
	spelled := text + number.String() // one of them is empty
	switch {
	case raw == nil:
		return Null, true
	case t.IsArray():
		return literalArray(t.Element(), raw)
	case t == Bool:
		b, ok := raw.(bool)
		return BoolValue(b), ok
	case t == String:
		return StringValue(text), isText
	case t == Timestamp && isText:
		at, err := window.Parse(text)
		return TimestampValue(at), err == nil
	case !isText && !isNumber:
		return Null, false
	case t == Int64:
		n, err := strconv.ParseInt(spelled, 10, 64)
		return Int64Value(n), err == nil
	case t == Int32:
		n, err := strconv.ParseInt(spelled, 10, 32)
		return Int32Value(int32(n)), err == nil
	case t == Float64:
		f, err := parseFloat(spelled, isText, 64)
		return Float64Value(f), err == nil
	case t == Float32:
		f, err := parseFloat(spelled, isText, 32)
		return Float32Value(float32(f)), err == nil
	}
	return Null, false
}

func parseFloat(spelled string, isText bool, bits int) (float64, error) {
	if !isText {
		return strconv.ParseFloat(spelled, bits)
	}
	switch spelled {
	case "NaN":
		return math.NaN(), nil
	case "Infinity":
		return math.Inf(1), nil
	case "-Infinity":
		return math.Inf(-1), nil
	}
	return 0, strconv.ErrSyntax
}

func literalArray(element Type, raw any) (Value, bool) {
	list, ok := raw.([]any)
	if !ok {
		return Null, false
	}
	values := make([]Value, len(list))
	for i, item := range list {
		if values[i], ok = JSONValue(element, item); !ok {
			return Null, false
		}
	}
	return ArrayValue(element, values), true
}
