package aggregate_test

import (
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/apache/arrow/go/v15/arrow/memory"
	"github.com/stretchr/testify/require"

	"github.com/tilery/tilery/pkg/aggregate"
)

// TestDamagedListColumnsAreRefused gives columns as nobody writes them.
func TestDamagedListColumnsAreRefused(t *testing.T) {
	t.Parallel()
	minusZero := math.Copysign(0, -1)
	for name, c := range map[string]struct {
		list
		values, times any
	}{
		"a value without its time":   {lastOf("i", 0), int64(1), nil},
		"a time without its value":   {lastOf("i", 0), nil, int64(1)},
		"a zero with a sign":         {lastOf("f", 0), minusZero, int64(1)},
		"a zero with a sign inside":  {lastOf("fs", 0), []any{nil, minusZero}, int64(1)},
		"values without times":       {lastOf("i", 3), []any{int64(1)}, nil},
		"an empty list":              {lastOf("i", 3), []any{}, []any{}},
		"more values than times":     {lastOf("i", 3), []any{int64(1), int64(2)}, []any{int64(1)}},
		"more values than are kept":  {lastOf("i", 1), []any{int64(1), int64(2)}, []any{int64(1), int64(2)}},
		"a null value":               {lastOf("i", 3), []any{int64(1), nil}, []any{int64(1), int64(2)}},
		"a null time":                {lastOf("i", 3), []any{int64(1), int64(1)}, []any{int64(1), nil}},
		"times out of order":         {firstOf("i", 3), []any{int64(1), int64(2)}, []any{int64(2), int64(1)}},
		"values out of order":        {firstOf("s", 3), []any{"b", "a"}, []any{int64(1), int64(1)}},
		"a value twice":              {lastDistinctOf("s", 3), []any{"a", "b", "a"}, []any{int64(1), int64(2), int64(3)}},
		"a zero with a sign in list": {lastOf("f", 3), []any{minusZero}, []any{int64(1)}},
		"more than a list takes":     {firstOf("s", 3), []any{strings.Repeat("x", maxListBytes+1), "y"}, []any{int64(1), int64(2)}},
		"a deep zero with a sign":    {lastOf("fs", 3), []any{[]any{minusZero}}, []any{int64(1)}},
	} {
		l := c.layout()
		var columns []arrow.Array
		for i, v := range []any{c.values, c.times} {
			b := array.NewBuilder(memory.DefaultAllocator, l.Fields()[i].Type)
			appendValue(b, v)
			columns = append(columns, b.NewArray())
		}
		require.ErrorIs(t, build(l, nil, 1).MergeColumns([]int32{0}, columns), aggregate.ErrDamaged, name)
		require.NoError(t, build(l, nil, 1).MergeColumns([]int32{-1}, columns), name)
	}
}

func TestDamagedEncodedListsAreRefused(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		list
		data []byte // after the version
	}{
		"no values":                    {lastOf("i", 3), nil},
		"more values than are kept":    {lastOf("i", 1), []byte{2, 0, 0, 2, 2}},
		"two last values":              {lastOf("i", 0), []byte{2, 0, 0, 2, 2}},
		"values out of order":          {lastOf("i", 3), []byte{2, 0, 0, 4, 2}},
		"a value twice":                {lastDistinctOf("i", 3), []byte{2, 0, 1, 2, 2}},
		"a time past the end":          {lastOf("b", 3), slices.Concat([]byte{2}, []byte{0xfe, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1}, []byte{1, 0, 0})},
		"neither true nor false":       {lastOf("b", 3), []byte{1, 0, 2}},
		"an Int32 of 33 bits":          {lastOf("i32", 0), []byte{1, 0, 0x80, 0x80, 0x80, 0x80, 0x10}},
		"a short float":                {lastOf("f", 0), []byte{1, 0, 0x80, 0}},
		"a zero with a sign":           {lastOf("f32", 0), []byte{1, 0, 0x7f, 0xff, 0xff, 0xff}},
		"a long text":                  {lastOf("s", 0), []byte{1, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f, 'a'}},
		"an element that is no tag":    {lastOf("is", 0), []byte{1, 0, 1, 2}},
		"half an element":              {lastOf("is", 0), []byte{1, 0, 3, 1, 0, 0}},
		"a text longer than its array": {lastOf("ss", 0), []byte{1, 0, 3, 1, 2, 'a'}},
		"a time of too many bytes":     {lastOf("i", 0), []byte{1, 0x80, 0, 2}},
	} {
		_, err := build(c.layout(), nil, 1).MergeEncoded(0, append([]byte{1}, c.data...))
		require.ErrorIs(t, err, aggregate.ErrDamaged, name)
	}
}
