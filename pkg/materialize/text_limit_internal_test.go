package materialize

import (
	"strings"
	"testing"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/apache/arrow/go/v15/arrow/memory"
	"github.com/stretchr/testify/require"

	"github.com/tilery/tilery/pkg/feature"
	"github.com/tilery/tilery/pkg/record"
)

// column returns one of the type.
func column(t *testing.T, of feature.Type, values ...feature.Value) arrow.Array {
	b := array.NewBuilder(memory.DefaultAllocator, record.ArrowType(of))
	defer b.Release()
	for _, v := range values {
		require.NoError(t, record.AppendColumns([]array.Builder{b}, []feature.Value{v}))
	}
	return b.NewArray()
}

func TestAValueTakesItsLengthAndOfAnArrayItsElements(t *testing.T) {
	t.Parallel()
	texts, numbers := feature.ArrayOf(feature.String), feature.ArrayOf(feature.Int32)
	short := feature.StringValue("short")
	half := feature.StringValue(strings.Repeat("x", maxTextBytes/2))
	arrayOf := func(of feature.Type, element feature.Value, n int, rest ...feature.Value) feature.Value {
		elements := rest
		for range n {
			elements = append(elements, element)
		}
		return feature.ArrayValue(of, elements)
	}
	strings, ints := func(e feature.Value, n int, rest ...feature.Value) feature.Value {
		return arrayOf(feature.String, e, n, rest...)
	},
		func(e feature.Value, n int) feature.Value { return arrayOf(feature.Int32, e, n) }
	for name, c := range map[string]struct {
		column arrow.Array
		want   string
	}{
		"many short":    {column(t, feature.String, half, half, half, feature.Null), ""},
		"no rows":       {column(t, feature.String), ""},
		"no arrays":     {column(t, texts), ""},
		"null arrays":   {column(t, texts, feature.Null, feature.Null), ""},
		"whole":         {column(t, texts, strings(half, 2), strings(half, 2), feature.Null), ""},
		"a null more":   {column(t, texts, strings(short, 1), strings(half, 2, feature.Null)), "a value of 65544 bytes"},
		"an element":    {column(t, texts, strings(half, 2), strings(half, 2, short)), "a value of 65541 bytes"},
		"numbers":       {column(t, numbers, ints(feature.Int32Value(1), maxTextBytes/8), ints(feature.Null, maxTextBytes/8)), ""},
		"a number more": {column(t, numbers, feature.Null, ints(feature.Null, maxTextBytes/8+1)), "a value of 65544 bytes"},
	} {
		for _, checked := range []arrow.Array{c.column, array.NewSlice(c.column, int64(c.column.Len()/3), int64(c.column.Len()))} {
			err := checkTexts("c", checked)
			if c.want == "" {
				require.NoError(t, err, name)
				continue
			}
			require.ErrorIs(t, err, ErrTooLarge, name)
			require.ErrorContains(t, err, c.want, name)
		}
	}
}
