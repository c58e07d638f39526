package aggregate

import (
	"slices"
	"unsafe"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"

	"github.com/tilery/tilery/pkg/feature"
)

// maxRows bounds the rows of a group, and so each count that is read back.
// Sums have room for that many of the largest values.
const maxRows = 1 << 56

// partial is one partial state of every group of a States.
type partial interface {
	// fields returns the columns that hold this partial in a tile table.
	fields() []arrow.Field

	// grow makes the groups up to n-1 exist; new ones are empty.
	grow(n int)
	// reset drops the groups and keeps their memory.
	reset()
	// bytes is the memory of the groups, without what is kept for later ones.
	bytes() int64

	// add puts values[i], which happened at times[i], into groups[i]. Rows that are
	// null or left out have a negative group. Values have the type of widened(p).
	add(groups []int32, times []arrow.Timestamp, values arrow.Array)
	// merge adds a group of from, which has the same type and may be the receiver.
	merge(group int, from partial, fromGroup int)

	// mergeColumns adds rows of columns, which have the types of fields; a
	// negative group is left out.
	mergeColumns(groups []int32, columns []arrow.Array) error
	// appendColumns writes one row per group.
	appendColumns(groups []int32, builders []array.Builder)

	// appendEncoded writes a group: self-delimiting, equal bytes for equal values.
	appendEncoded(dst []byte, group int) []byte
	// mergeEncoded adds what appendEncoded wrote and returns the bytes after it.
	// It accepts no other bytes.
	mergeEncoded(group int, data []byte) (rest []byte, err error)

	// value is the result of the function that is this partial alone; null when
	// no value went in.
	value(group int) feature.Value
}

// pairsMerger is a partial whose merge is so short that the call of it counts.
type pairsMerger interface {
	// mergePairs does merges in order.
	mergePairs(pairs []pair)
}

// newPartial returns the empty states of p, nil when there are none of its kind and type.
func newPartial(p feature.Partial) partial {
	input := p.Type
	p = widened(p)
	switch p.Kind {
	case feature.PartialCount:
		return &counts{column: p.Column}
	case feature.PartialSum:
		switch p.Type {
		case feature.Int64:
			return &int64Sums{column: p.Column}
		case feature.Float64:
			return &float64Sums{column: p.Column}
		}
	case feature.PartialMin, feature.PartialMax:
		name, greatest := string(p.Kind)+"_"+p.Column, p.Kind == feature.PartialMax
		switch p.Type {
		case feature.Int64, feature.Float64:
			return newNumberExtremes(name, input, greatest)
		case feature.String:
			return &stringExtremes{name: name, greatest: greatest}
		}
	case feature.PartialSumOfSquares:
		return newSumsOfSquares(p)
	case feature.PartialLast, feature.PartialFirst, feature.PartialLastDistinct, feature.PartialFirstDistinct:
		return newValueLists(p)
	case feature.PartialHLL:
		return newDistinctCounts(p)
	case feature.PartialDDSketch:
		return newDistributions(p)
	}
	return nil
}

// bytesOf is the memory of cells without what they point to.
func bytesOf[T any](cells []T) int64 {
	var cell T
	return int64(len(cells)) * int64(unsafe.Sizeof(cell))
}

// extend returns cells with at least n elements; new ones are zero.
func extend[T any](cells []T, n int) []T {
	old := len(cells)
	if n <= old {
		return cells
	}
	if n > cap(cells) {
		cells = slices.Grow(cells, max(n-old, old/2)) // by half at least, since all are copied each time
	}
	cells = cells[:n]
	clear(cells[old:])
	return cells
}

// maskNulls returns groups with -1 where column is null, so that the loops of
// the partials know no nulls. When column has any, masked is in the memory of
// scratch, which is returned for the next call.
func maskNulls(scratch, groups []int32, column arrow.Array) (newScratch, masked []int32) {
	nulls := column.NullN()
	if nulls == 0 {
		return scratch, groups
	}
	scratch = append(scratch[:0], groups...)
	for i := range scratch {
		// An array of type null has no bitmap to ask.
		if nulls == len(groups) || column.IsNull(i) {
			scratch[i] = -1
		}
	}
	return scratch, scratch
}
