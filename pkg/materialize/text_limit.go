package materialize

import (
	"fmt"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"

	"github.com/tilery/tilery/pkg/aggregate"
	"github.com/tilery/tilery/pkg/feature"
)

// maxTextBytes is what a String or an array may take that a state keeps whole, as the
// values of a list do together: the length of a String, 8 bytes for anything else, and
// of an array the sum over its elements. So a tile is bounded by its view.
const maxTextBytes = aggregate.MaxListBytes

// keptTexts returns which of the layout's inputs are Strings or arrays that a state
// keeps, rather than counts or hashes.
func keptTexts(l *aggregate.Layout) (kept []int) {
	inputs, partials := l.Inputs(), l.Partials()
	for i, input := range inputs {
		if input.Type != feature.String && !input.Type.IsArray() {
			continue
		}
		for _, p := range partials {
			if p.Column == input.Name && p.Kind != feature.PartialCount && p.Kind != feature.PartialHLL {
				kept = append(kept, i)
				break
			}
		}
	}
	return kept
}

// checkTexts refuses a column that has a String or an array of more than maxTextBytes.
func checkTexts(name string, column arrow.Array) error {
	if column.Len() == 0 {
		return nil
	}
	weigh := weigher(column)
	if weigh(0, column.Len()) <= maxTextBytes {
		return nil
	}
	for row := range column.Len() {
		if n := weigh(row, row+1); n > maxTextBytes && column.IsValid(row) {
			return fmt.Errorf("%w: column %s has a value of %d bytes, and an aggregated one may take %d at most: "+
				"let the SQL cut it, or only count it", ErrTooLarge, name, n, maxTextBytes)
		}
	}
	return nil
}

// weigher returns what weighs the rows of a column from one to before another.
func weigher(column arrow.Array) func(from, to int) int64 {
	switch c := column.(type) {
	case *array.String:
		offsets := c.ValueOffsets()
		return func(from, to int) int64 { return int64(offsets[to] - offsets[from]) }
	case *array.List:
		elements := c.ListValues()
		weigh := func(from, to int) int64 { return 8 * int64(to-from) }
		if texts, ok := elements.(*array.String); ok && texts.Len() > 0 {
			inner := weigher(texts)
			weigh = func(from, to int) int64 { return inner(from, to) + 8*int64(nulls(texts, from, to)) }
		}
		return func(from, to int) int64 {
			first, _ := c.ValueOffsets(from)
			_, end := c.ValueOffsets(to - 1)
			return weigh(int(first), int(end))
		}
	}
	return func(from, to int) int64 { return 8 * int64(to-from) }
}

func nulls(column arrow.Array, from, to int) (n int) {
	if column.NullN() == 0 {
		return 0
	}
	for i := from; i < to; i++ {
		if column.IsNull(i) {
			n++
		}
	}
	return n
}
