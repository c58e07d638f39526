package aggregate

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"math"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"

	"github.com/tilery/tilery/pkg/feature"
)

// Lists keep an array as the bytes of its elements, one after the other: 0 for
// null, else 1 and the key's bytes, or the length of a String as a uvarint and
// the String. Arrays of numbers sort like these bytes.

const (
	nullElement  = 0
	valueElement = 1
)

// arrayScratch is memory for the bytes of arrays, kept from one to the next.
type arrayScratch struct {
	bytes []byte
	keys  []int64
}

// textColumn reads a column of Strings or arrays.
type textColumn struct {
	offsets []int32 // of Strings
	strings []byte
	lists   *array.List
	scratch *arrayScratch
}

// newTextColumn returns a reader of column, which is not empty.
func newTextColumn(column arrow.Array, scratch *arrayScratch) textColumn {
	c := textColumn{scratch: scratch}
	switch column := column.(type) {
	case *array.String:
		c.offsets, c.strings = column.ValueOffsets(), column.ValueBytes()
	case *array.List:
		c.lists = column
	}
	return c
}

// at returns the bytes of a row, which are valid until rewind.
func (c *textColumn) at(row int) []byte {
	if c.lists == nil {
		first := c.offsets[0]
		return c.strings[c.offsets[row]-first : c.offsets[row+1]-first]
	}
	start := len(c.scratch.bytes)
	from, to := c.lists.ValueOffsets(row)
	c.scratch.appendArray(c.lists.ListValues(), int(from), int(to))
	return c.scratch.bytes[start:]
}

func (c *textColumn) rewind() { c.scratch.bytes = c.scratch.bytes[:0] }

// appendArray appends the array of elements from from to to-1.
func (s *arrayScratch) appendArray(elements arrow.Array, from, to int) {
	dst, nulls := s.bytes, elements.NullN() > 0
	if elements, ok := elements.(*array.String); ok {
		for i := from; i < to; i++ {
			if nulls && elements.IsNull(i) {
				dst = append(dst, nullElement)
				continue
			}
			text := elements.Value(i)
			dst = append(binary.AppendUvarint(append(dst, valueElement), uint64(len(text))), text...)
		}
		s.bytes = dst
		return
	}
	t := keyType(elements)
	s.keys = appendKeys(s.keys[:0], elements, from, to)
	for i, key := range s.keys {
		if nulls && elements.IsNull(from+i) {
			dst = append(dst, nullElement)
			continue
		}
		dst = appendKey(append(dst, valueElement), t, key)
	}
	s.bytes = dst
}

// keyType is the type of a column whose values have keys.
func keyType(column arrow.Array) feature.Type {
	switch column.(type) {
	case *array.Boolean:
		return feature.Bool
	case *array.Int32:
		return feature.Int32
	case *array.Float32:
		return feature.Float32
	case *array.Float64:
		return feature.Float64
	}
	return feature.Int64
}

// cutElement splits an array after its first element.
func cutElement(t feature.Type, text []byte) (v timedValue, null bool, rest []byte, err error) {
	switch {
	case len(text) == 0 || text[0] > valueElement:
		return v, false, nil, damaged("no element of an array")
	case text[0] == nullElement:
		return v, true, text[1:], nil
	case t == feature.String:
		length, rest, err := cutUvarint(text[1:], math.MaxInt32)
		if err != nil {
			return v, false, nil, err
		}
		v.text, rest, err = cutBytes(rest, length)
		return v, false, rest, err
	}
	v.key, rest, err = cutKey(t, text[1:])
	return v, false, rest, err
}

// checkArray refuses bytes that are no array of t.
func checkArray(t feature.Type, text []byte) (err error) {
	for len(text) > 0 && err == nil {
		_, _, text, err = cutElement(t, text)
	}
	return err
}

// eachElement yields the elements of an array that is one.
func eachElement(t feature.Type, text []byte, yield func(v timedValue, null bool)) {
	for len(text) > 0 {
		var v timedValue
		var null bool
		v, null, text, _ = cutElement(t, text)
		yield(v, null)
	}
}

// compareStringArrays orders by the first element that differs, null before all
// others, and then by length.
func compareStringArrays(a, b []byte) int {
	for len(a) > 0 && len(b) > 0 {
		var v, w timedValue
		if a[0] != b[0] {
			return cmp.Compare(a[0], b[0])
		}
		v, _, a, _ = cutElement(feature.String, a)
		w, _, b, _ = cutElement(feature.String, b)
		if c := bytes.Compare(v.text, w.text); c != 0 {
			return c
		}
	}
	return cmp.Compare(len(a), len(b))
}

// arrayWeight is what an array takes of MaxListBytes.
func arrayWeight(t feature.Type, text []byte) (weight int) {
	eachElement(t, text, func(v timedValue, null bool) {
		if null || t != feature.String {
			weight += 8
		} else {
			weight += len(v.text)
		}
	})
	return weight
}

func arrayValue(t feature.Type, text []byte) feature.Value {
	var elements []feature.Value
	eachElement(t, text, func(v timedValue, null bool) {
		if null {
			elements = append(elements, feature.Null)
		} else {
			elements = append(elements, v.value(t))
		}
	})
	return feature.ArrayValue(t, elements)
}
