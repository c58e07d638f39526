package frame_test

import (
	"fmt"
	"math"
	"testing"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/tilery/tilery/pkg/feature"
	"github.com/tilery/tilery/pkg/frame"
	"github.com/tilery/tilery/pkg/window"
)

var scalars = []feature.Type{
	feature.Bool, feature.Int32, feature.Int64, feature.Float32, feature.Float64, feature.String, feature.Timestamp,
}

func drawType(t *rapid.T) feature.Type {
	drawn := rapid.SampledFrom(scalars).Draw(t, "type")
	for range rapid.SampledFrom([]int{0, 0, 0, 1, 2, 3}).Draw(t, "arrays") {
		drawn = feature.ArrayOf(drawn)
	}
	return drawn
}

func drawValue(t *rapid.T, of feature.Type) feature.Value {
	if rapid.IntRange(0, 4).Draw(t, "null") == 0 {
		return feature.Null
	}
	switch of {
	case feature.Bool:
		return feature.BoolValue(rapid.Bool().Draw(t, "bool"))
	case feature.Int32:
		return feature.Int32Value(rapid.Int32().Draw(t, "int32"))
	case feature.Int64:
		return feature.Int64Value(rapid.Int64().Draw(t, "int64"))
	case feature.Float32:
		return feature.Float32Value(rapid.OneOf(rapid.Float32(), rapid.SampledFrom([]float32{
			float32(math.NaN()), float32(math.Inf(-1)), 1, 1e30, float32(math.Copysign(0, -1)),
		})).Draw(t, "float32"))
	case feature.Float64:
		return feature.Float64Value(rapid.OneOf(rapid.Float64(), rapid.SampledFrom([]float64{
			math.NaN(), math.Inf(1), math.Inf(-1), 1, 1e21, math.SmallestNonzeroFloat64, math.Copysign(0, -1),
		})).Draw(t, "float64"))
	case feature.String:
		return feature.StringValue(rapid.OneOf(rapid.String(), rapid.SampledFrom([]string{
			"", " ", "a,b", `"`, "\r\n", "\n", "\r", "007", "null", "\ufeff", "<&>\u2028", "\x00",
		})).Draw(t, "string"))
	case feature.Timestamp:
		return feature.TimestampValue(window.Time(rapid.Int64Range(int64(window.MinTime), int64(window.MaxTime)).Draw(t, "time")))
	}
	elements := make([]feature.Value, rapid.IntRange(0, 3).Draw(t, "elements"))
	for i := range elements {
		elements[i] = drawValue(t, of.Element())
	}
	return feature.ArrayValue(of.Element(), elements)
}

func drawContents(t *rapid.T) (c contents) {
	for i := range rapid.IntRange(1, 4).Draw(t, "columns") {
		c.schema = append(c.schema, feature.Field{Name: fmt.Sprintf("c%d,\"é\n", i), Type: drawType(t)})
	}
	for range rapid.IntRange(0, 5).Draw(t, "rows") {
		row := make([]feature.Value, len(c.schema))
		for i, f := range c.schema {
			row[i] = drawValue(t, f.Type)
		}
		c.rows = append(c.rows, row)
	}
	return c
}

// whatIsKept is what a format keeps of a frame.
func whatIsKept(c contents, format frame.Format) contents {
	if format == frame.JSON && len(c.rows) == 0 {
		return contents{} // no row names a column
	}
	for _, row := range c.rows {
		for i := range row {
			if format == frame.CSV && row[i] == feature.StringValue("") {
				row[i] = feature.Null
			}
		}
	}
	return c
}

func TestWhatIsWrittenReadsBack(t *testing.T) {
	t.Parallel()
	for _, format := range formats {
		t.Run(string(format), func(t *testing.T) {
			t.Parallel()
			rapid.Check(t, func(t *rapid.T) {
				c := drawContents(t)
				rec := recordOf(t, c)
				cut := rapid.Int64Range(0, rec.NumRows()).Draw(t, "cut")
				parts := []arrow.Record{rec.NewSlice(0, cut), rec.NewSlice(cut, rec.NumRows())} // writers see offsets
				file := write(t, format, c.schema, parts...)
				got, err := read(file, format, frame.Options{Known: c.schema})
				require.NoError(t, err)
				require.Equal(t, whatIsKept(c, format), got)
			})
		})
	}
}

// What is inferred from a file is what was written, where a value tells its type.
func TestWrittenTypesAreInferred(t *testing.T) {
	t.Parallel()
	c := contents{schema: feature.Schema{
		{Name: "i", Type: feature.Int64}, {Name: "f", Type: feature.Float64}, {Name: "b", Type: feature.Bool},
		{Name: "t", Type: feature.Timestamp}, {Name: "s", Type: feature.String}, {Name: "zip", Type: feature.String},
	}, rows: [][]feature.Value{
		{
			feature.Int64Value(math.MinInt64), feature.Float64Value(1), feature.BoolValue(true),
			feature.TimestampValue(window.MaxTime), feature.StringValue("x"), feature.StringValue("007"),
		},
		{
			feature.Int64Value(math.MaxInt64), feature.Float64Value(math.Inf(-1)), feature.BoolValue(false),
			feature.TimestampValue(window.MinTime), feature.StringValue("1"), feature.StringValue("10"),
		},
		{feature.Null, feature.Float64Value(math.NaN()), feature.Null, feature.Null, feature.Null, feature.Null},
	}}
	for _, format := range formats {
		got, err := read(write(t, format, c.schema, recordOf(t, c)), format, frame.Options{})
		require.NoError(t, err)
		require.Equal(t, c, got, format)
	}
}

func TestLargeFilesComeInBoundedRecords(t *testing.T) {
	t.Parallel()
	const rows = 70_000
	c := contents{schema: feature.Schema{{Name: "n", Type: feature.Int64}, {Name: "s", Type: feature.String}}}
	for i := range rows {
		c.rows = append(c.rows, []feature.Value{feature.Int64Value(int64(i)), feature.StringValue(fmt.Sprint("text ", i%100))})
	}
	rec := recordOf(t, c)
	for _, format := range formats {
		got, err := read(write(t, format, c.schema, rec), format, frame.Options{})
		require.NoError(t, err, format)
		require.Len(t, got.rows, rows, format)
		require.True(t, c.rows[rows-1][0] == got.rows[rows-1][0] && c.rows[1<<16][1] == got.rows[1<<16][1], format)
	}
}
