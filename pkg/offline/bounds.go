package offline

import (
	"bytes"
	"encoding/json"
	"strings"
	"unicode/utf8"

	"github.com/tilery/tilery/pkg/feature"
	"github.com/tilery/tilery/pkg/keyset"
	"github.com/tilery/tilery/pkg/record"
)

// KeyBounds tells which keys the rows of a file, or of a part of one, cannot have, by
// the first join key. It rules out no key that a row has; one that it does not rule out
// need not be there. The zero value rules out nothing.
type KeyBounds struct {
	low  []byte // no key is below it
	high []byte // no key, cut to its length, is above it
}

// NewKeyBounds returns the bounds of rows whose first join keys are from low to high,
// both inclusive, except for those that are null, if nulls says that there may be some.
// A bound that is Null, or that no key can have, is not known.
func NewKeyBounds(first feature.Field, low, high feature.Value, nulls bool) KeyBounds {
	b := KeyBounds{high: encodeBound(first, high)}
	if !nulls { // they come before all values
		b.low = encodeBound(first, low)
	}
	return b
}

// encodeBound returns the key of a value; nil: no bound.
func encodeBound(first feature.Field, v feature.Value) []byte {
	if v.IsNull() {
		return nil
	}
	key, err := record.AppendKey(nil, []feature.Field{first}, []feature.Value{v})
	if err != nil {
		return nil
	}
	return key
}

// KeyBounds returns the bounds of the file's rows, by its statistics, which it parses:
// call it once for many keys. What they leave out, or say in another way than expected,
// bounds nothing. Texts in them may have been cut off, as Delta allows.
func (f File) KeyBounds(first feature.Field) KeyBounds {
	var stats struct {
		Min   map[string]json.RawMessage `json:"minValues"`
		Max   map[string]json.RawMessage `json:"maxValues"`
		Nulls map[string]*int64          `json:"nullCount"`
	}
	if json.Unmarshal([]byte(f.Stats), &stats) != nil {
		return KeyBounds{}
	}
	nulls := stats.Nulls[first.Name]
	high := parseBound(first, stats.Max[first.Name])
	b := NewKeyBounds(first, parseBound(first, stats.Min[first.Name]), high, nulls == nil || *nulls != 0)
	if high.Type() == feature.String {
		longer := encodeBound(first, feature.StringValue(high.Text()+"x"))
		b.high = commonPrefix(b.high, longer) // so that texts that go on are not above it
	}
	return b
}

// parseBound returns a bound as statistics have it; Null: it is not known.
func parseBound(first feature.Field, raw json.RawMessage) feature.Value {
	var number *int64 // nil after a JSON null, which is no zero
	var text *string
	switch {
	case first.Type == feature.Int64 && json.Unmarshal(raw, &number) == nil && number != nil:
		return feature.Int64Value(*number)
	case first.Type == feature.String && json.Unmarshal(raw, &text) == nil && text != nil &&
		!strings.ContainsRune(*text, utf8.RuneError): // it may stand for bytes that JSON cannot hold, and that sort elsewhere
		return feature.StringValue(*text)
	}
	return feature.Null
}

func commonPrefix(a, b []byte) []byte {
	n := 0
	for n < min(len(a), len(b)) && a[n] == b[n] {
		n++
	}
	return a[:n]
}

// MayHold reports whether a row may have the key, of all join keys or of the first few,
// as record.AppendKey encodes it.
func (b KeyBounds) MayHold(key []byte) bool {
	return bytes.Compare(key, b.low) >= 0 && bytes.Compare(key[:min(len(key), len(b.high))], b.high) <= 0
}

// MayHoldAny reports whether a row may have one of the keys, which are as for MayHold.
func (b KeyBounds) MayHoldAny(keys *keyset.Set) bool {
	i := keys.Search(b.low)
	return i < keys.Len() && b.MayHold(keys.Key(i)) // the others are greater
}
