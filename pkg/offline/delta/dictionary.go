package delta

import (
	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/apache/arrow/go/v15/parquet"
)

// Rows at the start of a file, in its first record: enough, and too few, to tell a
// column of few values from one of many.
const (
	sampledRows = 4096
	tooFewRows  = 256
)

// leaf returns the values of a column, of lists those inside of them, and the path
// by which Parquet knows them. The caller releases the values.
func leaf(name string, column arrow.Array) (parquet.ColumnPath, arrow.Array) {
	path := parquet.ColumnPath{name}
	column.Retain()
	for {
		lists, ok := column.(*array.List)
		if !ok {
			return path, column
		}
		from, to := int64(0), int64(0)
		if n := lists.Len(); n > 0 {
			from, _ = lists.ValueOffsets(0)
			_, to = lists.ValueOffsets(n - 1)
		}
		path = append(path, "list", "element")
		column = array.NewSlice(lists.ListValues(), from, to)
		lists.Release()
	}
}

// rarelyRepeats reports whether more than half of a sample of numbers, times or texts are
// distinct. A dictionary of such a column costs more than all the rest of writing
// it, and makes it no smaller.
func rarelyRepeats(column arrow.Array) bool {
	switch column := column.(type) {
	case *array.String:
		texts := make([]string, min(column.Len(), sampledRows))
		for row := range texts {
			texts[row] = column.Value(row)
		}
		return mostlyDistinct(column, texts)
	case *array.Int32:
		return mostlyDistinct(column, column.Int32Values())
	case *array.Int64:
		return mostlyDistinct(column, column.Int64Values())
	case *array.Timestamp:
		return mostlyDistinct(column, column.TimestampValues())
	case *array.Float32:
		return mostlyDistinct(column, arrow.GetData[int32](arrow.GetBytes(column.Float32Values())))
	case *array.Float64:
		return mostlyDistinct(column, arrow.GetData[int64](arrow.GetBytes(column.Float64Values())))
	}
	return false
}

func mostlyDistinct[T comparable](column arrow.Array, values []T) bool {
	seen, sampled := map[T]bool{}, 0
	for row, v := range values[:min(len(values), sampledRows)] {
		if column.IsValid(row) {
			seen[v] = true
			sampled++
		}
	}
	return sampled > tooFewRows && len(seen)*2 > sampled
}
