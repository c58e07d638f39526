package aggregate

import (
	"bytes"
	"cmp"
	"slices"
	"strconv"

	"github.com/apache/arrow/go/v15/arrow"

	"github.com/tilery/tilery/pkg/feature"
)

// valueLists holds the last or first values of each group with their times. The
// order of values is that of their times and, within one time, of the values.
//
// A list ends after n values, or after the one with which it takes more than
// MaxListBytes. That one is kept in states and tiles, although results leave it
// out: without it nobody could tell, when two lists are merged, that what comes
// after it in one list is lost, and that the other must end there too. So kept, a
// value that is left out of a part is left out of the whole, and a list is a
// function of the set of its values.
type valueLists struct {
	listSpec
	listStore
	items  []timedValue // scratch
	arrays arrayScratch
}

// MaxListBytes is what the values of a list's result take at most, unless it has only
// one: the length of a String, 8 bytes for anything else, and of an array the sum
// over its elements.
const MaxListBytes = 64 << 10

// listSpec says what lists hold.
type listSpec struct {
	name      string
	valueType feature.Type
	n         int   // 0: the last value, not in a list
	flip      int64 // -1 turns the order around, for first; else 0
	distinct  bool  // each value once: at its last time, or its first
}

// timedValue is one value of a list: a key (value_list_key.go) when it is Bool or
// a number, the bytes of a String, or those of an array (value_list_array.go).
type timedValue struct {
	time int64
	key  int64
	text []byte
}

// listStore holds lists in memory.
type listStore interface {
	grow(n int)
	reset()
	bytes() int64
	add(groups []int32, times []arrow.Timestamp, values arrow.Array)
	// offer adds one value; text is copied.
	offer(group int, v timedValue)
	// read appends the list of a group, in the order of values. Texts are valid
	// until the next offer to the group.
	read(dst []timedValue, group int) []timedValue
}

// newValueLists returns empty lists of values; nil for a type that has none.
func newValueLists(p feature.Partial) partial {
	s := listSpec{name: string(p.Kind) + "_" + p.Column, valueType: p.Type, n: p.N}
	if p.N > 0 {
		s.name = string(p.Kind) + strconv.Itoa(p.N) + "_" + p.Column
	}
	switch p.Kind {
	case feature.PartialFirst:
		s.flip = -1
	case feature.PartialFirstDistinct:
		s.flip, s.distinct = -1, true
	case feature.PartialLastDistinct:
		s.distinct = true
	}
	scalar := p.Type
	if scalar.IsArray() {
		scalar = scalar.Element()
	}
	if !isKey(scalar) && scalar != feature.String {
		return nil
	}
	return &valueLists{listSpec: s, listStore: s.newStore()}
}

func (s listSpec) newStore() listStore {
	switch numbers := isKey(s.valueType); {
	case numbers && s.n == 0:
		return &latestNumbers{}
	case numbers:
		return &numberLists{listSpec: s}
	case s.n == 0:
		return &latestTexts{listSpec: s}
	default:
		return &textLists{listSpec: s}
	}
}

func (p *valueLists) merge(group int, from partial, fromGroup int) {
	other := from.(*valueLists)
	p.items = other.read(p.items[:0], fromGroup)
	if other == p && group == fromGroup {
		for i := range p.items {
			p.items[i].text = bytes.Clone(p.items[i].text)
		}
	}
	p.offerAll(group)
}

// offerAll adds the values in p.items to a group.
func (p *valueLists) offerAll(group int) {
	for _, v := range p.items {
		p.offer(group, v)
	}
}

func (p *valueLists) value(group int) feature.Value {
	p.items = p.read(p.items[:0], group)
	switch {
	case len(p.items) == 0:
		return feature.Null
	case p.n == 0:
		return p.items[0].value(p.valueType)
	}
	shown := p.shown(p.items)
	elements := make([]feature.Value, len(shown))
	for i, v := range shown {
		elements[i] = v.value(p.valueType)
	}
	return feature.ArrayValue(p.valueType, elements)
}

// value returns v, of type t.
func (v timedValue) value(t feature.Type) feature.Value {
	switch {
	case t == feature.String:
		return feature.StringValue(string(v.text))
	case t.IsArray():
		return arrayValue(t.Element(), v.text)
	}
	return keyValue(t, v.key)
}

// compareTexts orders Strings and arrays.
func (s *listSpec) compareTexts(a, b []byte) int {
	if s.valueType == feature.ArrayOf(feature.String) {
		return compareStringArrays(a, b)
	}
	return bytes.Compare(a, b)
}

func (s *listSpec) compareValues(a, b timedValue) int {
	if isKey(s.valueType) {
		return cmp.Compare(a.key, b.key)
	}
	return s.compareTexts(a.text, b.text)
}

func (s *listSpec) compare(a, b timedValue) int {
	if c := cmp.Compare(a.time, b.time); c != 0 {
		return c
	}
	return s.compareValues(a, b)
}

// weight is what v takes of MaxListBytes.
func (s *listSpec) weight(v timedValue) int {
	switch {
	case s.valueType == feature.String:
		return len(v.text)
	case s.valueType.IsArray():
		return arrayWeight(s.valueType.Element(), v.text)
	}
	return 8
}

// weigh walks a list from its best value on, until it takes more than
// MaxListBytes: n is how many values that are, all of them if it does not.
func (s *listSpec) weigh(list []timedValue) (n int, exceeded bool) {
	bytes := 0
	for i := range list {
		at := len(list) - 1 - i
		if s.flip != 0 {
			at = i
		}
		if bytes += s.weight(list[at]); bytes > MaxListBytes {
			return i + 1, true
		}
	}
	return len(list), false
}

// shown returns a list without the value that is kept only to end it.
func (s *listSpec) shown(list []timedValue) []timedValue {
	n, exceeded := s.weigh(list)
	switch {
	case !exceeded || n == 1:
		return list
	case s.flip != 0:
		return list[:n-1]
	default:
		return list[1:]
	}
}

// check refuses what cannot be the list of a group.
func (s *listSpec) check(list []timedValue) error {
	for i := 1; i < len(list); i++ {
		if s.compare(list[i-1], list[i]) > 0 {
			return damaged("values out of order")
		}
	}
	if s.n == 0 {
		return nil
	}
	if n, _ := s.weigh(list); n < len(list) {
		return damaged("%d values where %d fill a list", len(list), n)
	}
	if s.distinct && s.repeats(list) {
		return damaged("a value twice")
	}
	return nil
}

// repeats reports whether a value is in list twice.
func (s *listSpec) repeats(list []timedValue) bool {
	sorted := slices.SortedFunc(slices.Values(list), s.compareValues)
	for i := 1; i < len(sorted); i++ {
		if s.compareValues(sorted[i-1], sorted[i]) == 0 {
			return true
		}
	}
	return false
}
