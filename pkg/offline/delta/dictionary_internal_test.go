package delta

import (
	"fmt"
	"testing"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/apache/arrow/go/v15/arrow/memory"
	"github.com/stretchr/testify/require"
)

func TestOnlyManyValuesThatDifferGoWithoutADictionary(t *testing.T) {
	t.Parallel()
	ints := func(rows, distinct int, null bool) arrow.Array {
		b := array.NewInt64Builder(memory.DefaultAllocator)
		defer b.Release()
		for i := range rows {
			if null {
				b.AppendNull()
			} else {
				b.Append(int64(i % distinct))
			}
		}
		return b.NewArray()
	}
	texts := array.NewStringBuilder(memory.DefaultAllocator)
	texts.AppendValues(make([]string, 1000), nil)
	floats := array.NewFloat64Builder(memory.DefaultAllocator)
	for i := range 1000 {
		floats.Append(float64(i) / 7)
	}
	keys := array.NewStringBuilder(memory.DefaultAllocator)
	for i := range 1000 {
		keys.Append(fmt.Sprint("user_", i))
	}
	for name, c := range map[string]struct {
		column arrow.Array
		want   bool
	}{
		"all differ":       {ints(1000, 1000, false), true},
		"half differ":      {ints(1000, 500, false), false},
		"few rows":         {ints(tooFewRows, tooFewRows, false), false},
		"no rows":          {ints(0, 1, false), false},
		"nulls":            {ints(1000, 1, true), false},
		"past the sample":  {ints(3*sampledRows, 2*sampledRows, false), true},
		"floats":           {floats.NewArray(), true},
		"a slice of ints":  {array.NewSlice(ints(2000, 2000, false), 500, 1500), true},
		"texts, all alike": {texts.NewArray(), false},
		"texts":            {keys.NewArray(), true},
	} {
		require.Equal(t, c.want, rarelyRepeats(c.column), name)
	}
}

func TestElementsOfListsAreJudgedAsColumnsAre(t *testing.T) {
	t.Parallel()
	b := array.NewListBuilder(memory.DefaultAllocator, arrow.ListOf(arrow.PrimitiveTypes.Float32))
	inner := b.ValueBuilder().(*array.ListBuilder)
	for i := range 1000 {
		b.Append(i%3 > 0)
		for range i % 3 {
			inner.Append(true)
			inner.ValueBuilder().(*array.Float32Builder).Append(float32(inner.ValueBuilder().Len()) / 7)
		}
	}
	lists := b.NewArray()
	path, values := leaf("tags", lists)
	require.Equal(t, "tags.list.element.list.element", path.String())
	require.Equal(t, 999, values.Len())
	require.True(t, rarelyRepeats(values))
	_, values = leaf("tags", array.NewSlice(lists, 10, 12))
	require.Equal(t, "[1.2857143 1.4285715 1.5714285]", values.String())
	_, values = leaf("tags", array.NewSlice(lists, 10, 10))
	require.Zero(t, values.Len())
}
