package feature

import (
	"encoding/binary"
	"fmt"
	"iter"
	"strings"
)

// An array's elements are kept one after the other in Value.text, so that arrays
// compare with == like any other value: a byte that is 0 for null and else 1, and
// then the 8 bytes of bits, or the length of a text as a uvarint and the text.

// ArrayValue returns an array of elements, each null or of the type element.
// Another type is a programming error and panics.
func ArrayValue(element Type, elements []Value) Value {
	var text strings.Builder
	var scratch [binary.MaxVarintLen64]byte
	for i, e := range elements {
		if e.IsNull() {
			text.WriteByte(0)
			continue
		}
		if e.kind != element {
			panic(fmt.Sprintf("feature: element %d of an array of %s is %s", i, element, e.kind)) //nolint:forbidigo // the caller is wrong
		}
		text.WriteByte(1)
		if hasText(element) {
			text.Write(binary.AppendUvarint(scratch[:0], uint64(len(e.text))))
			text.WriteString(e.text)
		} else {
			text.Write(binary.BigEndian.AppendUint64(scratch[:0], e.bits))
		}
	}
	return Value{kind: ArrayOf(element), bits: uint64(len(elements)), text: text.String()}
}

func hasText(t Type) bool { return t == String || t.IsArray() }

// Len returns the number of elements of an array; 0 for other types.
func (v Value) Len() int {
	if !v.kind.IsArray() {
		return 0
	}
	return int(v.bits)
}

// Elements yields the elements of an array in order; none for other types.
func (v Value) Elements() iter.Seq[Value] {
	return func(yield func(Value) bool) {
		element, rest := v.kind.Element(), v.text
		for range v.Len() {
			var e Value
			if e, rest = cutElement(element, rest); !yield(e) {
				return
			}
		}
	}
}

// cutElement splits what ArrayValue wrote after its first element.
func cutElement(t Type, text string) (e Value, rest string) {
	present, text := text[0] == 1, text[1:]
	switch {
	case !present:
		return Null, text
	case !hasText(t):
		return Value{kind: t, bits: binary.BigEndian.Uint64([]byte(text[:8]))}, text[8:]
	}
	length, n := binary.Uvarint([]byte(text[:min(len(text), binary.MaxVarintLen64)]))
	body := text[n : n+int(length)]
	e = Value{kind: t, text: body}
	if t.IsArray() {
		e.bits = elementsIn(t.Element(), body)
	}
	return e, text[n+int(length):]
}

func elementsIn(t Type, text string) (n uint64) {
	for len(text) > 0 {
		_, text = cutElement(t, text)
		n++
	}
	return n
}

func (v Value) arrayString() string {
	var parts []string
	for e := range v.Elements() {
		parts = append(parts, e.String())
	}
	return "[" + strings.Join(parts, ", ") + "]"
}
