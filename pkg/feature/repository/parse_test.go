package repository_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tilery/tilery/pkg/feature"
	"github.com/tilery/tilery/pkg/feature/repository"
	"github.com/tilery/tilery/pkg/window"
)

func yaml(content string) []repository.File {
	return []repository.File{{Path: "features.yaml", Content: content}}
}

const entity = "kind: Entity\nname: airport\njoin_keys:\n  - {name: origin, type: String}\n"

// explained returns the lines of the error that Parse gives.
func explained(t *testing.T, files []repository.File) []string {
	_, err := repository.Parse(files)
	var broken *repository.Error
	require.ErrorAs(t, err, &broken)
	return strings.Split(err.Error(), "\n")
}

func TestExamplesAreRead(t *testing.T) {
	files, err := repository.Read("../../../examples/flights")
	require.NoError(t, err)
	parsed, err := repository.Parse(files)
	require.NoError(t, err)
	view, err := parsed.View("airport_delays")
	require.NoError(t, err)
	require.Equal(t, "flights@example.com", view.Owner)
	require.Equal(t, []feature.Field{{Name: "origin", Type: feature.String}}, view.JoinKeys())
	require.Equal(t, feature.FileConfig{URI: "data/flights-*.parquet", FileFormat: feature.Parquet, TimestampField: "date"}, view.Sources[0].BatchConfig)
	require.Equal(t, "2001-01-01T00:00:00Z", view.FeatureStartTime.String())
	require.Len(t, view.Aggregations, 12)
	require.True(t, view.Online)
	require.True(t, view.Offline)
}

func TestDocumentsWithoutContentAreNothing(t *testing.T) {
	parsed, err := repository.Parse(append(yaml("---\n# nothing\n---\n~\n---\n"+entity+"---\n"), repository.File{Path: "empty.yaml"}))
	require.NoError(t, err)
	require.Len(t, parsed.Entities, 1)
}

func TestValuesAreTakenAsTheyAreWritten(t *testing.T) {
	parsed, err := repository.Parse(yaml("kind: Entity\nname: no\ndescription: 007\nowner:\ntags: {1: 2, x: yes, y: ~}\n" +
		"join_keys: &keys\n  - {name: 'on', type: String}\n---\nkind: Entity\nname: &n e2\ndescription: *n\njoin_keys: [{name: on, type: Int64}]\n"))
	require.NoError(t, err)
	require.Equal(t, []feature.Entity{
		{Metadata: feature.Metadata{Name: "no", Description: "007", Tags: map[string]string{"1": "2", "x": "yes", "y": ""}, DefinedIn: "features.yaml"},
			JoinKeys: feature.Schema{{Name: "on", Type: feature.String}}},
		{Metadata: feature.Metadata{Name: "e2", Description: "e2", DefinedIn: "features.yaml"}, JoinKeys: feature.Schema{{Name: "on", Type: feature.Int64}}},
	}, parsed.Entities)
}

const views = `kind: BatchSource
name: flights
batch_config: {uri: f.parquet, file_format: parquet, timestamp_field: date}
schema: [{name: date, type: Timestamp}, {name: delay, type: Int64}, {name: origin, type: String}]
---
kind: BatchFeatureView
name: delays
entities: [airport]
sources: [flights]
mode: sql
transformation: %s
timestamp_field: date
feature_start_time: 2001-01-01T00:00
aggregation_interval: 1h
aggregations: [{column: delay, function: mean, time_window: 1d}]
---
` + entity

func TestSQLComesFromTheFilesBesideTheDefinition(t *testing.T) {
	for name, written := range map[string]string{"beside": "delays.sql", "below": "sql/delays.sql", "above": "../sql/delays.sql", "block": "|\n  delays.sql\n"} {
		t.Run(name, func(t *testing.T) {
			at := filepath.ToSlash(filepath.Join("a/b", strings.Trim(written, "|\n ")))
			parsed, err := repository.Parse([]repository.File{
				{Path: "a/b/features.yaml", Content: fmt.Sprintf(views, written)},
				{Path: at, Content: "SELECT origin,\r\n date, delay\r\nFROM flights\n"},
				{Path: "delays.sql", Content: "SELECT 'another'"},
			})
			require.NoError(t, err)
			require.Equal(t, "SELECT origin,\n date, delay\nFROM flights\n", parsed.BatchFeatureViews[0].Transformation)
		})
	}
}

func TestInlineSQLIsTakenAsItIs(t *testing.T) {
	parsed, err := repository.Parse(yaml(fmt.Sprintf(views, "SELECT origin, date, delay FROM flights -- not.sql")))
	require.NoError(t, err)
	require.Equal(t, "SELECT origin, date, delay FROM flights -- not.sql", parsed.BatchFeatureViews[0].Transformation)
}

func TestFeatureTablesAreRead(t *testing.T) {
	parsed, err := repository.Parse(yaml(entity + `---
kind: FeatureTable
name: risk
owner: me
entities: [airport]
schema:
  - {name: origin, type: String}
  - {name: scored, type: Timestamp}
  - {name: embedding, type: "Array[Float32]"}
ttl: 7d
online_serving_index: [origin]
online: true
offline: true
`))
	require.NoError(t, err)
	require.Equal(t, []feature.FeatureTable{{
		Metadata: feature.Metadata{Name: "risk", Owner: "me", DefinedIn: "features.yaml"},
		Entities: []string{"airport"},
		Schema: feature.Schema{
			{Name: "origin", Type: feature.String}, {Name: "scored", Type: feature.Timestamp},
			{Name: "embedding", Type: feature.ArrayOf(feature.Float32)},
		},
		TTL: feature.Duration(7 * 24 * time.Hour), OnlineServingIndex: []string{"origin"}, Online: true, Offline: true,
	}}, parsed.FeatureTables)
	got := parsed.Locate(feature.Problem{Kind: "FeatureTable", Name: "risk", Field: "schema[2].type", Text: "is wrong"})
	require.Equal(t, 13, got.Line)
}

func TestProblemsAreLocatedAtTheNearestField(t *testing.T) {
	parsed, err := repository.Parse([]repository.File{{Path: "a.yaml", Content: "# first line\n---\n" + fmt.Sprintf(views, "SELECT 1")}})
	require.NoError(t, err)
	for field, line := range map[string]int{
		"": 8, "name": 9, "transformation": 13, "aggregations[0].function": 17, "aggregations[0].name": 17, "aggregations[3].function": 17,
		"aggregations": 17, "batch_schedule": 8, "entities[0]": 10,
	} {
		got := parsed.Locate(feature.Problem{Kind: "BatchFeatureView", Name: "delays", Field: field, Text: "is wrong"})
		require.Equal(t, "a.yaml", got.File)
		require.Equal(t, line, got.Line, field)
	}
	got := parsed.Locate(feature.Problem{Kind: "Entity", Text: "too many"})
	require.Equal(t, "Entity: too many", got.String())
}

func TestFilesThatAreNoTextAreRefused(t *testing.T) {
	require.Equal(t, []string{"b.sql:3: file: is not UTF-8 text"},
		explained(t, append(yaml(entity), repository.File{Path: "b.sql", Content: "SELECT\n1\n, '\xff'\n"})))
	require.Equal(t, []string{"features.yaml:1: file: is not UTF-8 text"}, explained(t, yaml("\xfe\xff\x00k")))
}

func TestLongFilesOfYAMLAreRefused(t *testing.T) {
	fits := entity + strings.Repeat("#", 1<<20-len(entity))
	_, err := repository.Parse(yaml(fits))
	require.NoError(t, err)
	require.Equal(t, []string{"features.yaml:1: file: is longer than 1048576 bytes: split it"}, explained(t, yaml(fits+"#")))
}

func TestAliasesDoNotBlowUp(t *testing.T) {
	laughs := "kind: Entity\nname: lol\ntags:\n  a: &a [x, x, x, x, x, x, x, x, x]\n"
	for c := 'b'; c <= 'j'; c++ {
		alias := fmt.Sprintf("*%c", c-1)
		laughs += fmt.Sprintf("  %c: &%c [%s]\n", c, c, strings.Join([]string{alias, alias, alias, alias, alias, alias, alias, alias, alias}, ", "))
	}
	require.Contains(t, explained(t, yaml(laughs+"join_keys: *j\n")), "features.yaml:12: Entity lol: join_keys[0]: want fields, got a list")

	// Aliases where they are allowed: a column with many fields, many times.
	many := "kind: Entity\nname: lol\njoin_keys:\n- &a {name: a, type: String" + strings.Repeat(", name: a", 2000) + "}\n" + strings.Repeat("- *a\n", 2000)
	lines := explained(t, yaml(many))
	require.LessOrEqual(t, len(lines), 100)

	valid := "kind: Entity\nname: lol\njoin_keys:\n- &a {name: a, type: String}\n" + strings.Repeat("- *a\n", 50_000)
	require.Equal(t, []string{"features.yaml:4: Entity lol: join_keys[19998].type: the document has more than 100000 values, aliases resolved"},
		explained(t, yaml(valid))[:1])
}

func TestProblemsAreCutOff(t *testing.T) {
	lines := explained(t, yaml(strings.Repeat("kind: Nothing\n---\n", 1000)))
	require.Len(t, lines, 100)

	meaning := strings.Builder{}
	for i := range 150 {
		fmt.Fprintf(&meaning, "kind: Entity\nname: e%d\n---\n", i)
	}
	lines = explained(t, yaml(meaning.String()))
	require.Len(t, lines, 101)
	require.Equal(t, "and 50 more problems", lines[100])
}

func TestErrorsCanBeHandledOneByOne(t *testing.T) {
	_, err := repository.Parse(yaml("kind: Entity\nname: airport\ncolour: blue\n"))
	var broken *repository.Error
	require.ErrorAs(t, err, &broken)
	require.Equal(t, []repository.Problem{{File: "features.yaml", Line: 3, Problem: feature.Problem{
		Kind: "Entity", Name: "airport", Field: "colour", Text: "unknown field, want one of description, join_keys, name, owner, prevent_destroy, tags",
	}}}, broken.Problems)
}

func TestTheEpochWrittenOutIsStillNoStart(t *testing.T) {
	for _, text := range []string{"1970-01-01T00:00:00.000001Z", "1969-12-31"} {
		content := strings.Replace(fmt.Sprintf(views, "SELECT 1"), "2001-01-01T00:00", text, 1)
		parsed, err := repository.Parse(yaml(content))
		require.NoError(t, err)
		want, err := window.Parse(text)
		require.NoError(t, err)
		require.Equal(t, want, parsed.BatchFeatureViews[0].FeatureStartTime)
	}
}

// Whatever is sent to the worker, Parse answers, and says where.
func FuzzParse(f *testing.F) {
	f.Add(entity)
	f.Add(fmt.Sprintf(views, "features.sql"))
	names, err := filepath.Glob("testdata/broken/*.txt")
	require.NoError(f, err)
	for _, name := range names {
		data, err := os.ReadFile(name)
		require.NoError(f, err)
		f.Add(string(data))
	}
	f.Fuzz(func(t *testing.T, content string) {
		parsed, err := repository.Parse(yaml(content))
		var broken *repository.Error
		if !errors.As(err, &broken) {
			require.NoError(t, err)
			require.Empty(t, parsed.Validate())
			return
		}
		require.NotEmpty(t, broken.Problems)
		lines := 2 // the line after the last, too: where the file ends too early
		for _, lineBreak := range []string{"\n", "\r", "\u0085", "\u2028", "\u2029"} {
			lines += strings.Count(content, lineBreak)
		}
		for _, p := range broken.Problems {
			require.Equal(t, "features.yaml", p.File, "%s", p)
			require.GreaterOrEqual(t, p.Line, 1, "%s", p)
			require.LessOrEqual(t, p.Line, lines, "%s", p)
		}
	})
}
