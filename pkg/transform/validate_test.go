package transform_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tilery/tilery/pkg/feature"
	"github.com/tilery/tilery/pkg/source"
	"github.com/tilery/tilery/pkg/transform"
)

func valid() transform.Query {
	schema := feature.Schema{{Name: "id", Type: feature.String}, {Name: "ts", Type: feature.Timestamp}}
	return transform.Query{
		SQL:            "SELECT * FROM events",
		Tables:         []transform.Table{{Name: "events", Schema: schema, TimestampField: "ts"}},
		Output:         schema,
		TimestampField: "ts",
	}
}

func TestValidateNamesWhatIsWrong(t *testing.T) {
	t.Parallel()
	require.NoError(t, valid().Validate())
	cases := map[string]struct {
		change func(*transform.Query)
		want   string
	}{
		"long SQL":        {func(q *transform.Query) { q.SQL = strings.Repeat(" ", transform.MaxSQLBytes+1) }, "more than 1048576"},
		"NUL in SQL":      {func(q *transform.Query) { q.SQL = "SELECT 1\x00" }, "without NUL"},
		"not UTF-8":       {func(q *transform.Query) { q.SQL = "SELECT '\xff'" }, "not UTF-8"},
		"nameless source": {func(q *transform.Query) { q.Tables[0].Name = "" }, "source's name"},
		"two sources":     {func(q *transform.Query) { q.Tables = append(q.Tables, transform.Table{Name: "EVENTS"}) }, "declared twice"},
		"no columns":      {func(q *transform.Query) { q.Tables[0].Schema = nil }, "no columns"},
		"two columns":     {func(q *transform.Query) { q.Output = append(q.Output, feature.Field{Name: "ID", Type: feature.Int64}) }, `"ID" is declared twice`},
		"no type":         {func(q *transform.Query) { q.Output = append(q.Output, feature.Field{Name: "x"}) }, "unknown type invalid"},
		"array of times": {func(q *transform.Query) {
			q.Output = append(q.Output, feature.Field{Name: "x", Type: feature.ArrayOf(feature.Timestamp)})
		}, "arrays of timestamps are not supported"},
		"array in CSV": {func(q *transform.Query) {
			q.Tables[0].Format = feature.CSV
			q.Tables[0].Schema = append(q.Tables[0].Schema, feature.Field{Name: "x", Type: feature.ArrayOf(feature.Int64)})
		}, "CSV has no arrays"},
		"unknown time":    {func(q *transform.Query) { q.Tables[0].TimestampField = "at" }, `timestamp field "at"`},
		"time of no time": {func(q *transform.Query) { q.TimestampField = "id" }, `timestamp field "id"`},
		"timeless output": {func(q *transform.Query) { q.TimestampField = "" }, "no timestamp field"},
		"nameless file":   {func(q *transform.Query) { q.Tables[0].Files = []source.File{{}} }, "file's path"},
		"unknown format":  {func(q *transform.Query) { q.Tables[0].Format = "xml" }, `format "xml" is unknown`},
		"too many files":  {func(q *transform.Query) { q.Tables[0].Files = make([]source.File, transform.MaxFiles+1) }, "more than 10000 files"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			q := valid()
			c.change(&q)
			err := q.Validate()
			require.ErrorIs(t, err, transform.ErrSQL)
			require.ErrorContains(t, err, c.want)
		})
	}
}
