package delta

import (
	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
)

// Rows at the start of a file, in its first record: enough, and too few, to tell a
// column of few values from one of many.
const (
	sampledRows = 4096
	tooFewRows  = 256
)

// rarelyRepeats reports whether more than half of a sample of numbers or times are
// distinct. A dictionary of such a column costs more than all the rest of writing
// it, and makes it no smaller.
func rarelyRepeats(column arrow.Array) bool {
	var values []int64
	switch column := column.(type) {
	case *array.Int64:
		values = column.Int64Values()
	case *array.Timestamp:
		values = arrow.Int64Traits.CastFromBytes(arrow.TimestampTraits.CastToBytes(column.TimestampValues()))
	case *array.Float64:
		values = arrow.Int64Traits.CastFromBytes(arrow.Float64Traits.CastToBytes(column.Float64Values()))
	}
	seen, sampled := map[int64]bool{}, 0
	for row, v := range values[:min(len(values), sampledRows)] {
		if column.IsValid(row) {
			seen[v] = true
			sampled++
		}
	}
	return sampled > tooFewRows && len(seen)*2 > sampled
}
