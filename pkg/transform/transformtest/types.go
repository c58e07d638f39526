package transformtest

import (
	"fmt"
	"testing"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/stretchr/testify/require"

	"github.com/tilery/tilery/pkg/feature"
	"github.com/tilery/tilery/pkg/record"
	"github.com/tilery/tilery/pkg/transform"
)

// newTypes has the types that everyType lacks.
var newTypes = feature.Schema{
	{Name: "small", Type: feature.Int32},
	{Name: "single", Type: feature.Float32},
	{Name: "flags", Type: feature.ArrayOf(feature.Bool)},
	{Name: "smalls", Type: feature.ArrayOf(feature.Int32)},
	{Name: "ns", Type: feature.ArrayOf(feature.Int64)},
	{Name: "singles", Type: feature.ArrayOf(feature.Float32)},
	{Name: "xs", Type: feature.ArrayOf(feature.Float64)},
	{Name: "words", Type: feature.ArrayOf(feature.String)},
	{Name: "deep", Type: feature.ArrayOf(feature.ArrayOf(feature.ArrayOf(feature.String)))},
	{Name: "ts", Type: feature.Timestamp},
}

// newTypeRows are rows of newTypes as lines of JSON.
const newTypeRows = `{"small": -2147483648, "single": 0.1, "flags": [true, null, false], "smalls": [7, null], "ns": [4503599627370497, -1], "singles": [0.1, null, -2], "xs": [1e300, 2], "words": ["", "longer than twelve bytes", null, "å"], "deep": [[["a", null], []], null, []], "ts": "2001-01-01 00:00:01"}
{"small": null, "single": null, "flags": null, "smalls": null, "ns": null, "singles": null, "xs": null, "words": null, "deep": null, "ts": "2001-01-01 00:00:02"}
{"small": 2147483647, "single": 12.5, "flags": [], "smalls": [], "ns": [], "singles": [], "xs": [], "words": [], "deep": [], "ts": "2001-01-01 00:00:03"}
`

var newTypeTexts = []string{
	"(null)|(null)|(null)|(null)|(null)|(null)|(null)|(null)|(null)|2001-01-01T00:00:02Z",
	`-2147483648|0.1|[true,null,false]|[7,null]|[4503599627370497,-1]|[0.1,null,-2]|[1e+300,2]|["","longer than twelve bytes",null,"å"]|[[["a",null],[]],null,[]]|2001-01-01T00:00:01Z`,
	"2147483647|12.5|[]|[]|[]|[]|[]|[]|[]|2001-01-01T00:00:03Z",
}

// newTypeFile writes newTypeRows as a file of that format.
func newTypeFile(t *testing.T, format feature.FileFormat) string {
	if format == feature.JSON {
		return writeText(t, "rows.json", newTypeRows)
	}
	return writeJSON(t, record.ArrowSchema(newTypes), jsonArray(newTypeRows))
}

func testNewTypes(t *testing.T, engine transform.Engine) {
	for _, format := range []feature.FileFormat{feature.Parquet, feature.Delta, feature.JSON} {
		t.Run(string(format), func(t *testing.T) {
			q := query("SELECT * FROM events", newTypes, newTypeFile(t, format))
			q.Tables[0].Schema, q.Tables[0].Format = newTypes, format
			require.Equal(t, newTypeTexts, rows(t, engine, q))

			described, err := engine.Describe(t.Context(), q.SQL, q.Tables)
			require.NoError(t, err)
			require.Equal(t, newTypes, described.Schema)
			require.Empty(t, described.NotRowWise)

			q.SQL = "SELECT * FROM events WHERE len(words) > 0"
			require.Equal(t, newTypeTexts[1:2], rows(t, engine, q))
			q.Tables[0].Files = nil
			require.Empty(t, rows(t, engine, q))
		})
	}
}

func testNewTypesInCSV(t *testing.T, engine transform.Engine) {
	schema := feature.Schema{newTypes[0], newTypes[1], newTypes[len(newTypes)-1]}
	q := query("SELECT * FROM events", schema, writeText(t, "a.csv", "ts,single,small\n2001-01-01,0.1,-2147483648\n2001-01-02,,\n2001-01-03,-inf,0\n2001-01-04,nan,0\n"))
	q.Tables[0].Schema, q.Tables[0].Format = schema, feature.CSV
	require.Equal(t, []string{
		"(null)|(null)|2001-01-02T00:00:00Z", "-2147483648|0.1|2001-01-01T00:00:00Z", "0|-Inf|2001-01-03T00:00:00Z", "0|NaN|2001-01-04T00:00:00Z",
	}, rows(t, engine, q))

	q.Tables[0].Schema = append(schema, feature.Field{Name: "words", Type: feature.ArrayOf(feature.String)})
	_, err := engine.Describe(t.Context(), q.SQL, q.Tables)
	require.ErrorIs(t, err, transform.ErrSQL)
	require.ErrorContains(t, err, `source "events": column "words" is Array[String], and CSV has no arrays`)
}

func testBadNewTypes(t *testing.T, engine transform.Engine) {
	for _, c := range []struct {
		format  feature.FileFormat
		content string
		want    []string
	}{
		{feature.CSV, "ts,v\n2001-01-01,2147483648\n", []string{"Int32", "2147483648"}},
		{feature.CSV, "ts,v\n2001-01-01,1.5\n", []string{"Int32", "1.5"}},
		{feature.CSV, "ts,v\n2001-01-01,-1e39\n", []string{"Float32", "-1e39"}},
		{feature.JSON, `{"ts": "2001-01-01", "v": -2147483649}`, []string{"Int32", "-2147483649"}},
		{feature.JSON, `{"ts": "2001-01-01", "v": 1.5}`, []string{"Int32", "1.5"}},
		{feature.JSON, `{"ts": "2001-01-01", "v": 1e39}`, []string{"Float32", "1e39"}},
		{feature.JSON, `{"ts": "2001-01-01", "v": "0.5"}`, []string{"Float32", `"0.5"`}},
		{feature.JSON, `{"ts": "2001-01-01", "v": 7}`, []string{"Array[Int64]", "bad value 7"}},
		{feature.JSON, `{"ts": "2001-01-01", "v": "[7]"}`, []string{"Array[Int64]", `bad value "[7]"`}},
		{feature.JSON, `{"ts": "2001-01-01", "v": [1, "7"]}`, []string{"Array[Int64]", `bad value "7"`}},
		{feature.JSON, `{"ts": "2001-01-01", "v": [1, [2]]}`, []string{"Array[Int64]", "bad value [2]"}},
		{feature.JSON, `{"ts": "2001-01-01", "v": {"0": 1}}`, []string{"Array[Int64]", `bad value {"0":1}`}},
		{feature.JSON, `{"ts": "2001-01-01", "v": [["a"], ["b", 3]]}`, []string{"Array[Array[String]]", "bad value 3"}},
	} {
		t.Run(fmt.Sprintf("%s %.40q", c.format, c.content), func(t *testing.T) {
			var declared feature.Type
			require.NoError(t, declared.UnmarshalText([]byte(c.want[0])))
			bad := writeText(t, "bad", c.content)
			q := query("SELECT * FROM events", feature.Schema{{Name: "v", Type: declared}, {Name: "ts", Type: feature.Timestamp}}, bad)
			q.Tables[0].Schema, q.Tables[0].Format = q.Output, c.format
			_, err := engine.Run(t.Context(), q, refuse)
			require.ErrorIs(t, err, transform.ErrSQL)
			for _, part := range append(c.want, `"v"`, bad) {
				require.ErrorContains(t, err, part)
			}
		})
	}
}

// testWidths asks for results whose values have 32 bits to SQL. A source without
// such a column has none in its views either, as SQL counts literals among them.
func testWidths(t *testing.T, engine transform.Engine) {
	const sql = `SELECT ts, 1 AS one, CAST(n AS INTEGER) AS i, CAST(n AS FLOAT) AS f, CAST(n AS SMALLINT) AS s,
		[CAST(n AS INTEGER)] AS ii, [[CAST(n AS FLOAT)]] AS ff, [CAST(n AS SMALLINT)] AS ss FROM events`
	schema := func(i, f feature.Type) feature.Schema {
		return feature.Schema{
			{Name: "ts", Type: feature.Timestamp}, {Name: "one", Type: i}, {Name: "i", Type: i}, {Name: "f", Type: f}, {Name: "s", Type: feature.Int64},
			{Name: "ii", Type: feature.ArrayOf(feature.Int32)}, {Name: "ff", Type: feature.ArrayOf(feature.ArrayOf(feature.Float32))},
			{Name: "ss", Type: feature.ArrayOf(feature.Int64)},
		}
	}
	q := query(sql, nil, writeEvents(t, at(t, "2001-01-01"), 1))
	withSource := func(columns ...feature.Field) feature.Schema {
		tables := []transform.Table{q.Tables[0], {Name: "other", Schema: append(events[:2:2], columns...)}}
		described, err := engine.Describe(t.Context(), sql, tables)
		require.NoError(t, err)
		return described.Schema
	}
	require.Equal(t, schema(feature.Int64, feature.Float64), withSource())
	require.Equal(t, schema(feature.Int32, feature.Float64), withSource(feature.Field{Name: "v", Type: feature.Int32}))
	require.Equal(t, schema(feature.Int64, feature.Float32), withSource(feature.Field{Name: "v", Type: feature.ArrayOf(feature.Float32)}))

	q.Output = schema(feature.Int32, feature.Float32)
	require.Equal(t, []string{"2001-01-01T00:00:00Z|1|0|0|0|[0]|[[0]]|[0]"}, rows(t, engine, q))
	q.Output = schema(feature.Int64, feature.Float64)
	q.Output[5].Type, q.Output[6].Type = feature.ArrayOf(feature.Int64), feature.ArrayOf(feature.ArrayOf(feature.Float64))
	require.Equal(t, []string{"2001-01-01T00:00:00Z|1|0|0|0|[0]|[[0]]|[0]"}, rows(t, engine, q))

	for _, wrong := range []feature.Field{
		{Name: "s", Type: feature.Int32},
		{Name: "i", Type: feature.Float64},
		{Name: "f", Type: feature.ArrayOf(feature.Float32)},
		{Name: "ii", Type: feature.Int32},
		{Name: "ff", Type: feature.ArrayOf(feature.Float32)},
		{Name: "ss", Type: feature.ArrayOf(feature.Int32)},
	} {
		q.Output = feature.Schema{{Name: "ts", Type: feature.Timestamp}, wrong}
		_, err := engine.Run(t.Context(), q, refuse)
		require.ErrorIs(t, err, transform.ErrSQL, wrong)
		require.ErrorContains(t, err, `"`+wrong.Name+`"`)
	}
}

// testNarrowSources reads narrower values than the new types, and refuses wider.
func testNarrowSources(t *testing.T, engine transform.Engine) {
	list := func(t arrow.DataType) arrow.DataType { return arrow.ListOf(t) }
	for _, c := range []struct {
		stored arrow.DataType
		as     string
		json   string
		want   string // empty: refused
	}{
		{arrow.PrimitiveTypes.Int16, "Int32", `-7`, "-7"},
		{arrow.PrimitiveTypes.Uint16, "Int32", `65535`, "65535"},
		{arrow.PrimitiveTypes.Uint32, "Int32", `7`, ""},
		{arrow.PrimitiveTypes.Int64, "Int32", `7`, ""},
		{arrow.PrimitiveTypes.Float32, "Int32", `7`, ""},
		{arrow.PrimitiveTypes.Int8, "Float32", `-7`, "-7"},
		{arrow.PrimitiveTypes.Int32, "Float32", `7`, ""},
		{arrow.PrimitiveTypes.Float64, "Float32", `7`, ""},
		{list(arrow.PrimitiveTypes.Int32), "Array[Int64]", `[1, null]`, "[1,null]"},
		{list(arrow.PrimitiveTypes.Float32), "Array[Float64]", `[0.5]`, "[0.5]"},
		{list(list(arrow.PrimitiveTypes.Uint8)), "Array[Array[Int32]]", `[[255], null]`, "[[255],null]"},
		{list(arrow.PrimitiveTypes.Int64), "Array[String]", `[1]`, ""},
		{list(arrow.PrimitiveTypes.Int64), "Int64", `[1]`, ""},
		{arrow.PrimitiveTypes.Int64, "Array[Int64]", `1`, ""},
		{list(list(arrow.PrimitiveTypes.Int64)), "Array[Int64]", `[[1]]`, ""},
		{arrow.StructOf(arrow.Field{Name: "a", Type: arrow.PrimitiveTypes.Int64}), "Array[Int64]", `{"a": 1}`, ""},
	} {
		t.Run(fmt.Sprintf("%s as %s", c.stored, c.as), func(t *testing.T) {
			var declared feature.Type
			require.NoError(t, declared.UnmarshalText([]byte(c.as)))
			file := writeJSON(t, arrow.NewSchema([]arrow.Field{
				{Name: "ts", Type: arrow.FixedWidthTypes.Timestamp_us}, {Name: "v", Type: c.stored, Nullable: true},
			}, nil), fmt.Sprintf(`[{"ts": "2001-01-01", "v": %s}, {"ts": "2001-01-01", "v": null}]`, c.json))
			q := query("SELECT * FROM events", feature.Schema{{Name: "v", Type: declared}, {Name: "ts", Type: feature.Timestamp}}, file)
			q.Tables[0].Schema = q.Output
			if c.want != "" {
				require.Equal(t, []string{"(null)|2001-01-01T00:00:00Z", c.want + "|2001-01-01T00:00:00Z"}, rows(t, engine, q))
				return
			}
			_, err := engine.Run(t.Context(), q, refuse)
			require.ErrorIs(t, err, transform.ErrSQL)
			require.ErrorContains(t, err, "cannot be read as the declared "+c.as)
		})
	}
}
