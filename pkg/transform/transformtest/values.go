package transformtest

import (
	"fmt"
	"strings"
	"testing"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/apache/arrow/go/v15/arrow/memory"
	"github.com/stretchr/testify/require"

	"github.com/tilery/tilery/pkg/feature"
	"github.com/tilery/tilery/pkg/record"
	"github.com/tilery/tilery/pkg/transform"
	"github.com/tilery/tilery/pkg/window"
)

var everyType = feature.Schema{
	{Name: "flag", Type: feature.Bool},
	{Name: "n", Type: feature.Int64},
	{Name: "x", Type: feature.Float64},
	{Name: "s", Type: feature.String},
	{Name: "at", Type: feature.Timestamp},
	{Name: "ts", Type: feature.Timestamp},
}

// testValues compares every value of many rows. Strings lie on both sides of
// each engine's inline length, each column has nulls at places of its own, and the filter leaves
// runs of rows that do not fall on the bytes of a bitmap.
func testValues(t *testing.T, engine transform.Engine) {
	const count = 10_000
	null := func(i, column int) bool { return column < 5 && (i+column)%5 == 0 && i/1000%2 == 0 }
	b := array.NewRecordBuilder(memory.DefaultAllocator, record.ArrowSchema(everyType))
	defer b.Release()
	want := make(map[int64]string)
	for i := range count {
		values := []any{i%3 == 0, int64(i), float64(i) / 8, strings.Repeat("å", i%20) + fmt.Sprint(i), int64(i) - 5000, int64(i)}
		texts := make([]string, len(values))
		for c, v := range values {
			if null(i, c) {
				b.Field(c).AppendNull()
				texts[c] = "(null)"
				continue
			}
			texts[c] = appendValue(b.Field(c), v)
		}
		if i%7 != 0 {
			want[int64(i)] = strings.Join(texts, "|")
		}
	}
	r := b.NewRecord()
	defer r.Release()
	file := writeParquet(t, "values.parquet", r)

	q := query("SELECT * FROM events WHERE EXTRACT(microseconds FROM ts) % 7 <> 0", everyType, file)
	q.Tables[0].Schema = everyType
	q.Limits.Threads = 1
	got := 0
	_, err := engine.Run(t.Context(), q, func(r arrow.Record) error {
		for i := range int(r.NumRows()) {
			texts := make([]string, r.NumCols())
			for c, column := range r.Columns() {
				texts[c] = "(null)"
				if column.IsValid(i) {
					texts[c] = valueText(column, i)
				}
			}
			key := int64(r.Column(5).(*array.Timestamp).Value(i))
			require.Equal(t, want[key], strings.Join(texts, "|"), "row %d", key)
			got++
		}
		for c, column := range r.Columns() {
			nulls := 0
			for i := range column.Len() {
				if column.IsNull(i) {
					nulls++
				}
			}
			require.Equal(t, nulls, column.NullN(), "column %d", c)
		}
		return nil
	})
	require.NoError(t, err)
	require.Equal(t, len(want), got)
}

// appendValue adds v to b and returns the text of it.
func appendValue(b array.Builder, v any) string {
	switch b := b.(type) {
	case *array.BooleanBuilder:
		b.Append(v.(bool))
	case *array.Int64Builder:
		b.Append(v.(int64))
	case *array.Float64Builder:
		b.Append(v.(float64))
	case *array.StringBuilder:
		b.Append(v.(string))
	case *array.TimestampBuilder:
		b.Append(arrow.Timestamp(v.(int64)))
		return window.Time(v.(int64)).String()
	}
	return fmt.Sprint(v)
}

func testTimestampUnits(t *testing.T, engine transform.Engine) {
	for _, unit := range []arrow.TimeUnit{arrow.Second, arrow.Millisecond, arrow.Microsecond, arrow.Nanosecond} {
		for _, zone := range []string{"", "UTC", "America/New_York"} {
			t.Run(fmt.Sprintf("%s %s", unit, zone), func(t *testing.T) {
				schema := arrow.NewSchema([]arrow.Field{{Name: "ts", Type: &arrow.TimestampType{Unit: unit, TimeZone: zone}}}, nil)
				file := writeJSON(t, schema, `[{"ts": "2001-02-03 04:05:06"}, {"ts": "1969-12-31 23:59:59"}]`)
				want := []string{"1969-12-31T23:59:59Z", "2001-02-03T04:05:06Z"}
				output := feature.Schema{{Name: "ts", Type: feature.Timestamp}}
				q := query("SELECT ts FROM events", output, file)
				q.Tables[0].Schema = output
				require.Equal(t, want, rows(t, engine, q))

				q.Tables[0].Interval.Start = at(t, "2001-02-03 04:05:06")
				require.Equal(t, want[1:], rows(t, engine, q))
				q.Tables[0].Interval.Start = at(t, "2001-02-03 04:05:06.000001")
				require.Empty(t, rows(t, engine, q))
			})
		}
	}
}

func testWidening(t *testing.T, engine transform.Engine) {
	for _, c := range []struct {
		stored arrow.DataType
		as     feature.Type
		json   string
		want   string
	}{
		{arrow.PrimitiveTypes.Int8, feature.Int64, `-128`, "-128"},
		{arrow.PrimitiveTypes.Int16, feature.Int64, `-7`, "-7"},
		{arrow.PrimitiveTypes.Int32, feature.Int64, `2147483647`, "2147483647"},
		{arrow.PrimitiveTypes.Uint8, feature.Int64, `255`, "255"},
		{arrow.PrimitiveTypes.Uint16, feature.Int64, `65535`, "65535"},
		{arrow.PrimitiveTypes.Uint32, feature.Int64, `4294967295`, "4294967295"},
		{arrow.PrimitiveTypes.Uint64, feature.Int64, `12`, "12"},
		{arrow.PrimitiveTypes.Int32, feature.Float64, `-3`, "-3"},
		{arrow.PrimitiveTypes.Float32, feature.Float64, `0.5`, "0.5"},
		{&arrow.Decimal128Type{Precision: 10, Scale: 2}, feature.Float64, `"12.25"`, "12.25"},
		{arrow.FixedWidthTypes.Date32, feature.Timestamp, `"2001-02-03"`, "2001-02-03T00:00:00Z"},
		{arrow.BinaryTypes.LargeString, feature.String, `"text"`, "text"},
	} {
		t.Run(fmt.Sprintf("%s as %s", c.stored, c.as), func(t *testing.T) {
			schema := arrow.NewSchema([]arrow.Field{
				{Name: "ts", Type: arrow.FixedWidthTypes.Timestamp_us},
				{Name: "v", Type: c.stored, Nullable: true},
			}, nil)
			file := writeJSON(t, schema, fmt.Sprintf(`[{"ts": "2001-01-01", "v": %s}, {"ts": "2001-01-01", "v": null}]`, c.json))
			q := query("SELECT * FROM events", feature.Schema{{Name: "v", Type: c.as}, {Name: "ts", Type: feature.Timestamp}}, file)
			q.Tables[0].Schema = q.Output
			require.Equal(t, []string{"(null)|2001-01-01T00:00:00Z", c.want + "|2001-01-01T00:00:00Z"}, rows(t, engine, q))
		})
	}
}
