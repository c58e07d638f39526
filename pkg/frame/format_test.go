package frame_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tilery/tilery/pkg/feature"
	"github.com/tilery/tilery/pkg/frame"
)

func TestFormatsHaveNamesExtensionsAndMediaTypes(t *testing.T) {
	t.Parallel()
	for _, f := range formats {
		parsed, err := frame.ParseFormat(string(f))
		require.NoError(t, err)
		require.Equal(t, f, parsed)
		parsed, err = frame.FormatOfMediaType(f.MediaType())
		require.NoError(t, err)
		require.Equal(t, f, parsed)
	}
	for file, want := range map[string]frame.Format{
		"a/b.PARQUET": frame.Parquet, "x.csv": frame.CSV, "x.json": frame.JSON, "x.jsonl": frame.JSON,
		"x.ndjson": frame.JSON, "x.arrow": frame.Arrow, "x.feather": frame.Arrow, "x.ipc": frame.Arrow,
	} {
		got, err := frame.FormatOf(file)
		require.NoError(t, err)
		require.Equal(t, want, got)
	}
	_, err := frame.FormatOf("x.csv.gz")
	require.EqualError(t, err, `"x.csv.gz" does not tell its format, want one of the extensions `+
		`.parquet, .arrow, .feather, .ipc, .ndjson, .jsonl, .json, .csv`)
	require.Equal(t, "application/octet-stream", frame.Format("").MediaType())
}

func TestContentTypesTellTheFormat(t *testing.T) {
	t.Parallel()
	for header, want := range map[string]frame.Format{
		"": "", "application/octet-stream": "", "text/csv; charset=UTF-8; header=present": frame.CSV,
		"application/json": frame.JSON, "application/jsonl": frame.JSON,
		"application/vnd.apache.arrow.file": frame.Arrow, "Application/Vnd.Apache.Parquet": frame.Parquet,
	} {
		got, err := frame.FormatOfMediaType(header)
		require.NoError(t, err, header)
		require.Equal(t, want, got, header)
	}
	for header, want := range map[string]string{
		"text/csv; charset=latin1": `content type "text/csv; charset=latin1": only UTF-8 is read`,
		"text/html": `content type "text/html" is none of application/vnd.apache.parquet, ` +
			`application/vnd.apache.arrow.stream, application/x-ndjson, text/csv`,
		"/": `content type "/": mime: no media type`,
	} {
		_, err := frame.FormatOfMediaType(header)
		require.EqualError(t, err, want)
	}
}

func TestTheBestAcceptedFormatIsChosen(t *testing.T) {
	t.Parallel()
	for accept, want := range map[string]frame.Format{
		"": frame.Parquet, "*/*": frame.Parquet, "text/*": frame.CSV, "text/csv": frame.CSV,
		"application/json": frame.JSON, "text/csv;q=0.5, application/x-ndjson;q=0.6": frame.JSON,
		"application/*;q=0.1, text/csv;q=0.2":                   frame.CSV,
		"application/vnd.apache.parquet;q=0, */*":               frame.Arrow,
		"text/html, application/xhtml+xml, */*;q=0.8":           frame.Parquet,
		"text/csv;q=2, ;;, application/vnd.apache.arrow.stream": frame.Arrow,
	} {
		got, err := frame.Negotiate(accept)
		require.NoError(t, err, accept)
		require.Equal(t, want, got, accept)
	}
	for _, accept := range []string{"text/html", "*/*;q=0", "application/vnd.apache.arrow.file", "text/csv;q=x"} {
		_, err := frame.Negotiate(accept)
		require.EqualError(t, err, `accept "`+accept+`" has none of application/vnd.apache.parquet, `+
			`application/vnd.apache.arrow.stream, application/x-ndjson, text/csv`)
	}
}

func TestTheTimeColumnIsNamedOrTheOnlyOne(t *testing.T) {
	t.Parallel()
	id := feature.Field{Name: "id", Type: feature.String}
	a, b := feature.Field{Name: "a", Type: feature.Timestamp}, feature.Field{Name: "b", Type: feature.Timestamp}
	for _, c := range []struct {
		schema       feature.Schema
		wanted, want string
	}{
		{feature.Schema{id, a}, "", "a"},
		{feature.Schema{id, a, b}, "b", "b"},
	} {
		got, err := frame.Time(c.schema, c.wanted)
		require.NoError(t, err)
		require.Equal(t, c.want, got)
	}
	for _, c := range []struct {
		schema       feature.Schema
		wanted, want string
	}{
		{feature.Schema{id, a, b}, "", "the spine has several time columns: a, b; name one"},
		{feature.Schema{id}, "", "the spine has no time column, only id String"},
		{feature.Schema{id}, "id", `column "id" of the spine is String and not Timestamp; it has no time column`},
		{feature.Schema{id, a, b}, "c", `the spine has no column "c"; its time columns are a, b`},
	} {
		_, err := frame.Time(c.schema, c.wanted)
		require.EqualError(t, err, "timestamp_key: "+c.want)
	}
}
