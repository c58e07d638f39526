package duckdb_test

import (
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"strings"
	"testing"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/stretchr/testify/require"

	"github.com/tilery/tilery/pkg/feature"
	"github.com/tilery/tilery/pkg/transform/duckdb"
)

// TestListsArriveWhateverMadeThem compares lists that DuckDB's functions return with
// DuckDB's own text of them. A function that left a list's elements in another order
// in memory than that of the rows would be seen here.
func TestListsArriveWhateverMadeThem(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "lists.parquet")
	writeParquet(t, file, `SELECT 'id' AS id, make_timestamp(i) AS ts, i AS n,
		[CASE WHEN (i * k) % 5 > 0 THEN 9223372036854775807 - i * k END FOR k IN range(i % 7)] AS l,
		CASE WHEN i % 11 > 0 THEN ['longer than twelve ' || i, NULL, '' || i % 10, ''] END AS w FROM range(5000) r(i)`)
	ints, texts := feature.ArrayOf(feature.Int64), feature.ArrayOf(feature.String)
	for sql, want := range map[string]feature.Type{
		"l": ints, "w": texts, "l[2:3]": ints, "list_sort(l)": ints, "list_reverse(l)": ints, "list_distinct(l)": ints,
		"list_where(l, list_transform(l, lambda x: COALESCE(x % 2 = 0, true)))": ints, "list_select(l, [3, 1])": ints, "list_resize(l, 6, 9::BIGINT)": ints,
		"list_transform(l, lambda x: 7::BIGINT)": ints, "list_filter(l, lambda x: x % 2 = 0)": ints, "list_concat(l, l)": ints,
		"flatten([l, l, NULL])": ints, "[1::BIGINT, NULL, 3]": ints, "[n, 5]": ints, "list_sort([3::BIGINT, 1, 2])": ints, "[]::BIGINT[]": ints,
		"CASE WHEN n % 2 = 0 THEN l END": ints, "COALESCE(NULL, l)": ints, "map_keys(MAP {n: w})": ints, "[n, n]::BIGINT[2]": ints,
		"list_transform(list_zip(l, l), lambda x: x[1])": ints, "list(n) OVER (ORDER BY n ROWS 2 PRECEDING)": ints, "list_intersect(l, [n])": ints,
		"{'a': l}.a": ints, "str_split('a b ' || n, ' ')": texts, "list_sort(w)": texts, "w || w[1:1]": texts, "list_transform(w, lambda x: x || x)": texts,
		"[w, NULL, [], w]": feature.ArrayOf(texts), "[[l], [], [l, l], NULL]": feature.ArrayOf(feature.ArrayOf(ints)),
		"list_reverse([[l], [NULL, l[2:]]])":              feature.ArrayOf(feature.ArrayOf(ints)),
		"list_transform(l, lambda x: x > 9)":              feature.ArrayOf(feature.Bool),
		"list_transform(l, lambda x: (x % 100)::INTEGER)": feature.ArrayOf(feature.Int32),
		"list_transform(l, lambda x: (x % 100) / 3)":      feature.ArrayOf(feature.Float64),
		"list_transform(l, lambda x: (x % 100)::FLOAT)":   feature.ArrayOf(feature.Float32),
	} {
		t.Run(sql, func(t *testing.T) {
			t.Parallel()
			output := feature.Schema{{Name: "ts", Type: feature.Timestamp}, {Name: "v", Type: want}, {Name: "want", Type: feature.String}}
			q := query("SELECT ts, v, CAST(to_json(v) AS VARCHAR) AS want FROM (SELECT *, "+sql+" AS v FROM events)", output, file)
			q.Tables[0].Schema = append(events[:3:3], feature.Field{Name: "l", Type: ints}, feature.Field{Name: "w", Type: texts})
			stats, err := duckdb.Engine{}.Run(t.Context(), q, func(r arrow.Record) error {
				for i := range int(r.NumRows()) {
					require.Equal(t, wantText(r.Column(2), i), arrayText(r.Column(1), i), "row %d", i)
				}
				return nil
			})
			require.NoError(t, err)
			require.Equal(t, int64(5000), stats.Rows)

			described, err := duckdb.Engine{}.Describe(t.Context(), q.SQL, q.Tables)
			require.NoError(t, err)
			require.Equal(t, output, described.Schema)
		})
	}
}

func wantText(column arrow.Array, i int) string {
	if column.IsNull(i) {
		return "null"
	}
	return column.(*array.String).Value(i)
}

// arrayText renders a value as DuckDB's JSON does.
func arrayText(column arrow.Array, i int) string {
	if column.IsNull(i) {
		return "null"
	}
	switch c := column.(type) {
	case *array.List:
		from, to := c.ValueOffsets(i)
		parts := []string{}
		for j := from; j < to; j++ {
			parts = append(parts, arrayText(c.ListValues(), int(j)))
		}
		return "[" + strings.Join(parts, ",") + "]"
	case *array.String:
		return `"` + c.Value(i) + `"`
	case *array.Float32:
		return floatText(fmt.Sprint(c.Value(i)))
	case *array.Float64:
		return floatText(fmt.Sprint(c.Value(i)))
	}
	return column.ValueStr(i)
}

func floatText(text string) string {
	if strings.ContainsAny(text, ".e") {
		return text
	}
	return text + ".0"
}

func TestRecordsOfLongListsAreBounded(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "lists.parquet")
	writeParquet(t, file, "SELECT 'id' AS id, make_timestamp(i) AS ts, i AS n FROM range(20000) r(i)")
	q := query("SELECT ts, range(n, n + 2000) AS v FROM events",
		feature.Schema{{Name: "ts", Type: feature.Timestamp}, {Name: "v", Type: feature.ArrayOf(feature.Int64)}}, file)
	records := 0
	_, err := duckdb.Engine{}.Run(t.Context(), q, func(r arrow.Record) error {
		records++
		elements := r.Column(1).(*array.List).ListValues()
		require.LessOrEqual(t, elements.Len(), (32<<20)/8+2*2048*2000)
		return nil
	})
	require.NoError(t, err)
	require.Greater(t, records, 2)
}

// TestListsOfManyShapesArrive has lists whose nulls begin at every place of a bitmap.
func TestListsOfManyShapesArrive(t *testing.T) {
	t.Parallel()
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	for range 8 {
		lengths, nulls, lists := 1+random.IntN(40), 2+random.IntN(90), 1+random.IntN(9)
		file := filepath.Join(t.TempDir(), "lists.parquet")
		writeParquet(t, file, fmt.Sprintf(`SELECT 'id' AS id, make_timestamp(i) AS ts, i AS n,
			CASE WHEN hash(i) %% %d > 0 THEN [CASE WHEN hash(i, k) %% %d > 0 THEN (i + k)::VARCHAR END FOR k IN range((hash(i, -1) %% %d)::BIGINT)] END AS w
			FROM range(7000) r(i)`, lists, nulls, lengths))
		sql := "SELECT ts, w, CAST(to_json(w) AS VARCHAR) AS want FROM events WHERE n % 3 <> 1"
		output := feature.Schema{{Name: "ts", Type: feature.Timestamp}, {Name: "w", Type: feature.ArrayOf(feature.String)}, {Name: "want", Type: feature.String}}
		q := query(sql, output, file)
		q.Tables[0].Schema = append(events[:3:3], output[1])
		_, err := duckdb.Engine{}.Run(t.Context(), q, func(r arrow.Record) error {
			for i := range int(r.NumRows()) {
				require.Equal(t, wantText(r.Column(2), i), arrayText(r.Column(1), i), "row %d of %d/%d/%d", i, lengths, nulls, lists)
			}
			elements := r.Column(1).(*array.List).ListValues()
			count := 0
			for i := range elements.Len() {
				if elements.IsNull(i) {
					count++
				}
			}
			require.Equal(t, count, elements.NullN())
			return nil
		})
		require.NoError(t, err)
	}
}
