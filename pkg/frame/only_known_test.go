package frame_test

import (
	"bytes"
	"testing"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/stretchr/testify/require"

	"github.com/tilery/tilery/pkg/feature"
	"github.com/tilery/tilery/pkg/frame"
)

func TestOnlyKnownColumnsAreReadWhenOnlyTheyAreWanted(t *testing.T) {
	t.Parallel()
	all := feature.Schema{
		{Name: "note", Type: feature.String}, {Name: "b", Type: feature.Int64}, {Name: "list", Type: feature.ArrayOf(feature.Int64)}, {Name: "a", Type: feature.Float64},
	}
	known := feature.Schema{{Name: "a", Type: feature.Float64}, {Name: "b", Type: feature.Int64}}
	c := contents{schema: all, rows: [][]feature.Value{
		{feature.StringValue("x, \"y\""), feature.Int64Value(1), feature.Null, feature.Float64Value(0.5)},
		{feature.Null, feature.Int64Value(2), feature.Null, feature.Null},
	}}
	for _, format := range formats {
		file := write(t, format, all, recordOf(t, c))
		r, err := frame.Open(bytes.NewReader(file), int64(len(file)), format, frame.Options{Known: known, OnlyKnown: true})
		require.NoError(t, err)
		require.Equal(t, []string{"note", "list"}, r.Dropped(), format)
		require.NoError(t, r.Close())
		got, err := read(file, format, frame.Options{Known: known, OnlyKnown: true})
		require.NoError(t, err)
		require.Equal(t, "b Int64, a Float64\n[1 0.5]\n[2 null]\n", render(got), format)
	}
}

func TestWhatIsLeftOutMayBeOfAnyType(t *testing.T) {
	t.Parallel()
	only := frame.Options{Known: feature.Schema{{Name: "n", Type: feature.Int64}}, OnlyKnown: true}
	for format, text := range map[frame.Format]string{
		frame.CSV:  "odd,n\n\xff,1\n",
		frame.JSON: `{"odd":{"x":[[[[1]]]]},"n":1}` + "\n" + `{"odd":18446744073709551615}` + "\n",
	} {
		c, err := read([]byte(text), format, only)
		require.NoError(t, err)
		require.Equal(t, feature.Int64Value(1), c.rows[0][0])
	}
	binary := foreign(t, arrow.BinaryTypes.Binary, func(b *array.BinaryBuilder) { b.Append([]byte{0xff}) })
	_, err := read(binary, frame.Arrow, frame.Options{})
	require.ErrorContains(t, err, `column "x" is binary, which no feature can be`)
	c, err := read(binary, frame.Arrow, only)
	require.NoError(t, err)
	require.Empty(t, c.schema)
}
