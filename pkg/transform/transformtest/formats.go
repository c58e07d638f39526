package transformtest

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tilery/tilery/pkg/feature"
	"github.com/tilery/tilery/pkg/record"
	"github.com/tilery/tilery/pkg/source"
	"github.com/tilery/tilery/pkg/transform"
	"github.com/tilery/tilery/pkg/window"
)

// writeText writes a file and returns its path.
func writeText(t *testing.T, name, content string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	require.NoError(t, os.WriteFile(path, []byte(content), 0o600))
	return path
}

// compress writes a gzip file.
func compress(t *testing.T, name, content string) string {
	t.Helper()
	var compressed bytes.Buffer
	w := gzip.NewWriter(&compressed)
	_, err := w.Write([]byte(content))
	require.NoError(t, err)
	require.NoError(t, w.Close())
	return writeText(t, name, compressed.String())
}

// textQuery returns a query for all of everyType from text files.
func textQuery(format feature.FileFormat, files ...string) transform.Query {
	q := query("SELECT * FROM events", everyType, files...)
	q.Tables[0].Schema, q.Tables[0].Format = everyType, format
	return q
}

func testCSV(t *testing.T, engine transform.Engine) {
	first := writeText(t, "a [1].csv", "\ufeffts,ignored,s,n,flag,x,at\r\n"+
		"2001-01-01 00:00:01,,\"a, \"\"quoted\"\"\nline\",-7,true,0.5,2001-02-03T04:05:06.789Z\r\n"+
		"2001-01-01 00:00:02,x,,,,,\r\n"+
		"2001-01-01 00:00:03,x,\"\",\"8\",FALSE,1e3,2001-02-03\r\n"+
		",x,no time,1,true,1,2001-01-01\r\n")
	second := writeText(t, "b.csv", "n,x,s,at,flag,ts\n9223372036854775807,-1.25,å,1969-12-31 23:59:59,false,2001-01-01T00:00:04Z")
	headerOnly := writeText(t, "c.csv", "flag,n,x,s,at,ts\n")
	q := textQuery(feature.CSV, first, second, headerOnly)
	require.Equal(t, []string{
		"(null)|(null)|(null)|(null)|(null)|2001-01-01T00:00:02Z",
		"false|8|1000|(null)|2001-02-03T00:00:00Z|2001-01-01T00:00:03Z",
		"false|9223372036854775807|-1.25|å|1969-12-31T23:59:59Z|2001-01-01T00:00:04Z",
		"true|-7|0.5|a, \"quoted\"\nline|2001-02-03T04:05:06.789Z|2001-01-01T00:00:01Z",
	}, rows(t, engine, q))

	q.Tables[0].Interval = window.Interval{Start: at(t, "2001-01-01 00:00:02"), End: at(t, "2001-01-01 00:00:04")}
	require.Len(t, rows(t, engine, q), 2)
}

func testCompressed(t *testing.T, engine transform.Engine) {
	plain := "id,ts,n\na,2001-01-01,1\n"
	q := query("SELECT * FROM events", events, compress(t, "a.csv.gz", plain), writeText(t, "b.csv", plain))
	q.Tables[0].Format = feature.CSV
	require.Equal(t, []string{"a|2001-01-01T00:00:00Z|1", "a|2001-01-01T00:00:00Z|1"}, rows(t, engine, q))

	q.Tables[0].Format = feature.JSON
	q.Tables[0].Files = Files(compress(t, "a.json.gz", `{"id": "a", "ts": "2001-01-01", "n": 1}`))
	require.Equal(t, []string{"a|2001-01-01T00:00:00Z|1"}, rows(t, engine, q))

	q.Tables[0].Format = feature.CSV
	q.Tables[0].Files = Files(writeText(t, "torn.csv.gz", "\x1f\x8b"))
	_, err := engine.Run(t.Context(), q, refuse)
	require.ErrorContains(t, err, "torn.csv.gz")
	require.NotErrorIs(t, err, transform.ErrSQL)
}

func testJSON(t *testing.T, engine transform.Engine) {
	first := writeText(t, "a*.json", `{"ts": "2001-01-01 00:00:01", "s": "a\nb \"c\" \u00e5", "n": -7, "x": 2, "flag": true, "at": "2001-02-03T04:05:06Z", "other": {"n": 1}}
{"ts": "2001-01-01 00:00:02", "N": 5}

{"ts": "2001-01-01 00:00:03", "s": null, "n": null, "x": null, "flag": null, "at": null}
{"ts": null, "s": "no time"}
`)
	empty := writeText(t, "b.json", "")
	q := textQuery(feature.JSON, first, empty)
	require.Equal(t, []string{
		"(null)|(null)|(null)|(null)|(null)|2001-01-01T00:00:02Z",
		"(null)|(null)|(null)|(null)|(null)|2001-01-01T00:00:03Z",
		"true|-7|2|a\nb \"c\" å|2001-02-03T04:05:06Z|2001-01-01T00:00:01Z",
	}, rows(t, engine, q))

	q.Tables[0].Schema = feature.Schema{{Name: "ts", Type: feature.Timestamp}, {Name: "file", Type: feature.String}, {Name: "File_", Type: feature.Int64}}
	q.Tables[0].Files = Files(writeText(t, "c.json", `{"ts": "2001-01-01", "file": "a column", "File_": 3}`))
	q.Output = q.Tables[0].Schema
	require.Equal(t, []string{"2001-01-01T00:00:00Z|a column|3"}, rows(t, engine, q))
}

func testBadText(t *testing.T, engine transform.Engine) {
	const good = "id,ts,n\na,2001-01-01,1\n"
	for _, c := range []struct {
		format  feature.FileFormat
		content string
		want    []string
	}{
		{feature.CSV, "id,ts,n\na,2001-01-01,seven\n", []string{`"n"`, "Int64", "seven"}},
		{feature.CSV, "id,ts,n\na,2001-01-01,1.5\n", []string{`"n"`, "1.5"}},
		{feature.CSV, "id,ts,n\na,2001-01-01,9223372036854775808\n", []string{`"n"`, "9223372036854775808"}},
		{feature.CSV, "id,ts,n\na,yesterday,1\n", []string{`"ts"`, "Timestamp", "yesterday"}},
		{feature.CSV, "id,ts,n\na,infinity,1\n", []string{`"ts"`, "infinity"}},
		{feature.CSV, "id,ts\na,2001-01-01\n", []string{`"n"`, "id, ts"}},
		{feature.CSV, "id,ts,N\na,2001-01-01,1\n", []string{`"n"`, "id, ts, N"}},
		{feature.CSV, "id,ts,n,n\na,2001-01-01,1,2\n", []string{`"n" twice`}},
		{feature.CSV, "id,ts,n\na,2001-01-01\n", nil},
		{feature.CSV, "id,ts,n\na,2001-01-01,1,2\n", nil},
		{feature.CSV, "id,ts,n\n\"a,2001-01-01,1\n", nil},
		{feature.CSV, "id,ts,n\n\xff,2001-01-01,1\n", nil},
		{feature.CSV, "i\"d,ts,n\n", []string{"header line"}},
		{feature.CSV, "", []string{"no header line"}},
		{feature.CSV, "\ufeff\n", []string{"no header line"}},
		{feature.JSON, `{"id": "a", "ts": "2001-01-01", "n": "7"}`, []string{`"n"`, "Int64", `"7"`}},
		{feature.JSON, `{"id": "a", "ts": "2001-01-01", "n": 1.5}`, []string{`"n"`, "1.5"}},
		{feature.JSON, `{"id": "a", "ts": "2001-01-01", "n": true}`, []string{`"n"`, "true"}},
		{feature.JSON, `{"id": "a", "ts": "2001-01-01", "n": [7]}`, []string{`"n"`, "[7]"}},
		{feature.JSON, `{"id": "a", "ts": "2001-01-01", "n": 18446744073709551615}`, []string{`"n"`, "18446744073709551615"}},
		{feature.JSON, `{"id": 7, "ts": "2001-01-01", "n": 1}`, []string{`"id"`, "String", "7"}},
		{feature.JSON, `{"id": "a", "ts": 978307200, "n": 1}`, []string{`"ts"`, "978307200"}},
		{feature.JSON, `{"id": "a", "ts": "2001-01-01", "n": 1`, nil},
		{feature.JSON, `[{"id": "a", "ts": "2001-01-01", "n": 1}]`, nil},
		{feature.JSON, "7\n", nil},
	} {
		t.Run(fmt.Sprintf("%s %.40q", c.format, c.content), func(t *testing.T) {
			bad := writeText(t, "bad", c.content)
			q := query("SELECT * FROM events", events, bad)
			q.Tables[0].Format = c.format
			if c.format == feature.CSV {
				q.Tables[0].Files = Files(writeText(t, "good", good), bad)
			}
			_, err := engine.Run(t.Context(), q, refuse)
			require.ErrorIs(t, err, transform.ErrSQL)
			for _, part := range append(c.want, bad) {
				require.ErrorContains(t, err, part)
			}
		})
	}
}

func testTextTimestamps(t *testing.T, engine transform.Engine) {
	const want = "2001-02-03T04:05:06.123456Z"
	for _, text := range []string{
		"2001-02-03 04:05:06.123456", "2001-02-03T04:05:06.123456Z", "2001-02-03T04:05:06.123456", "2001-02-03T06:05:06.123456+02:00",
		"2001-02-03 00:05:06.123456-04", "2001-02-03 04:05:06.123456789Z",
	} {
		q := query("SELECT * FROM events", events, writeText(t, "a.csv", "id,ts,n\na,"+text+",1\n"))
		q.Tables[0].Format = feature.CSV
		require.Equal(t, []string{"a|" + want + "|1"}, rows(t, engine, q), text)
		q = query("SELECT * FROM events", events, writeText(t, "a.json", `{"id": "a", "ts": "`+text+`", "n": 1}`))
		q.Tables[0].Format = feature.JSON
		require.Equal(t, []string{"a|" + want + "|1"}, rows(t, engine, q), text)
	}
}

func testConstants(t *testing.T, engine transform.Engine) {
	schema := feature.Schema{
		{Name: "id", Type: feature.String}, {Name: "ts", Type: feature.Timestamp}, {Name: "n", Type: feature.Int64},
		{Name: "country", Type: feature.String}, {Name: "day", Type: feature.Timestamp}, {Name: "level", Type: feature.Int64},
		{Name: "young", Type: feature.Float64},
	}
	file := func(country, day, level *string) source.File {
		return source.File{
			Path:      writeJSON(t, record.ArrowSchema(events), `[{"id": "a", "ts": "2001-01-01", "n": 1}]`),
			Constants: map[string]*string{"country": country, "day": day, "level": level},
		}
	}
	text := func(s string) *string { return &s }
	q := query("SELECT * FROM events", schema)
	q.Tables[0].Schema, q.Tables[0].Format = schema, feature.Delta
	q.Tables[0].Files = []source.File{
		file(text("it's, å"), text("2001-01-01"), text("7")),
		file(text(""), text("2001-01-02 03:04:05.678"), nil),
		file(nil, nil, text("-1")),
	}
	require.Equal(t, []string{
		"a|2001-01-01T00:00:00Z|1|(null)|(null)|-1|(null)",
		"a|2001-01-01T00:00:00Z|1|it's, å|2001-01-01T00:00:00Z|7|(null)",
		"a|2001-01-01T00:00:00Z|1||2001-01-02T03:04:05.678Z|(null)|(null)",
	}, rows(t, engine, q))

	q.Tables[0].TimestampField = "day"
	q.Tables[0].Interval.Start = at(t, "2001-01-02")
	require.Equal(t, []string{"a|2001-01-01T00:00:00Z|1||2001-01-02T03:04:05.678Z|(null)|(null)"}, rows(t, engine, q))

	q.Tables[0].Files = append(q.Tables[0].Files, file(nil, nil, text("high")))
	_, err := engine.Run(t.Context(), q, refuse)
	require.ErrorIs(t, err, transform.ErrSQL)
	for _, part := range []string{q.Tables[0].Files[3].Path, `"level"`, `"high"`} {
		require.ErrorContains(t, err, part)
	}
}

func testFormatsJoin(t *testing.T, engine transform.Engine) {
	eu := "eu"
	q := query(`SELECT e.id, e.ts, CAST(e.n * u.weight + c.tax AS BIGINT) AS n
		FROM events AS e JOIN users AS u ON e.id = u.id JOIN countries AS c ON u.country = c.country
		WHERE c.region = 'eu'`, events,
		writeJSON(t, record.ArrowSchema(events), `[{"id": "a", "ts": "2001-01-02", "n": 1}, {"id": "b", "ts": "2001-01-02", "n": 2}, {"id": "c", "ts": "2001-01-02", "n": 3}]`))
	q.Tables = append(q.Tables, transform.Table{
		Name: "users", Format: feature.CSV, Files: Files(writeText(t, "users.csv", "id,country,weight\na,se,10\nb,us,20\nc,se,\n")),
		Schema: feature.Schema{{Name: "id", Type: feature.String}, {Name: "country", Type: feature.String}, {Name: "weight", Type: feature.Int64}},
	}, transform.Table{
		Name: "countries", Format: feature.Delta, TimestampField: "ts", Interval: always,
		Files: []source.File{{
			Path:      writeJSON(t, record.ArrowSchema(feature.Schema{{Name: "country", Type: feature.String}, {Name: "ts", Type: feature.Timestamp}, {Name: "tax", Type: feature.Int64}}), `[{"country": "se", "ts": "2000-01-01", "tax": 5}]`),
			Constants: map[string]*string{"region": &eu},
		}},
		Schema: feature.Schema{{Name: "country", Type: feature.String}, {Name: "ts", Type: feature.Timestamp}, {Name: "tax", Type: feature.Int64}, {Name: "region", Type: feature.String}},
	})
	require.Equal(t, []string{"a|2001-01-02T00:00:00Z|15", "c|2001-01-02T00:00:00Z|(null)"}, rows(t, engine, q))
}
