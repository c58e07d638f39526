package duckdb

import (
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tilery/tilery/pkg/feature"
	"github.com/tilery/tilery/pkg/source"
	"github.com/tilery/tilery/pkg/transform"
)

func newSession(t *testing.T) *session {
	t.Helper()
	s, err := open(transform.Limits{MemoryBytes: 128 << 20, Threads: 1, TempDir: t.TempDir()})
	require.NoError(t, err)
	t.Cleanup(s.close)
	return s
}

// The second wall holds by itself, should the check of a statement miss something.
func TestConfinedSessionReachesNoOtherFile(t *testing.T) {
	t.Parallel()
	s := newSession(t)
	dir := t.TempDir()
	file := filepath.Join(dir, "events.parquet")
	require.NoError(t, s.exec("COPY (SELECT 1::BIGINT AS n) TO "+quoteText(file)))
	table := transform.Table{Name: "events", Schema: feature.Schema{{Name: "n", Type: feature.Int64}}, Files: []source.File{{Path: file}}}
	require.NoError(t, s.createTables(t.Context(), []transform.Table{table}))
	for _, sql := range []string{
		"SELECT content FROM read_text('/etc/passwd')",
		"SELECT file FROM glob('/etc/*')",
		"COPY (SELECT 1) TO " + quoteText(filepath.Join(dir, "out.csv")),
		"EXPORT DATABASE " + quoteText(filepath.Join(dir, "export")),
		"ATTACH " + quoteText(filepath.Join(dir, "other.db")),
		"INSTALL httpfs",
		"LOAD httpfs",
		"SET enable_external_access = true",
		"SET allowed_paths = ['/etc/passwd']",
		"SET lock_configuration = false",
		"SET temp_directory = " + quoteText(dir),
	} {
		require.ErrorIs(t, s.exec(sql), transform.ErrSQL, sql)
	}
	rows, err := s.query("SELECT n::VARCHAR FROM events")
	require.NoError(t, err)
	require.Equal(t, [][]string{{"1"}}, rows)
	left, err := os.ReadDir(dir)
	require.NoError(t, err)
	require.Len(t, left, 1)
}

// DuckDB marks its volatile functions; its macros may call them. A new one in a
// later DuckDB must come into the list, or be known to be harmless.
func TestVolatileListIsComplete(t *testing.T) {
	t.Parallel()
	s := newSession(t)
	harmless := map[string]bool{"error": true, "user": true} // error ends the run; user is constant
	functions, err := s.query(`SELECT DISTINCT function_name FROM duckdb_functions()
		WHERE function_type IN ('scalar', 'aggregate') AND stability <> 'CONSISTENT'`)
	require.NoError(t, err)
	require.NotEmpty(t, functions)
	for _, f := range functions {
		require.True(t, volatile[f[0]] != "" || harmless[f[0]], "function %s is volatile", f[0])
	}
	macros, err := s.query(`SELECT function_name, macro_definition FROM duckdb_functions() WHERE function_type = 'macro'`)
	require.NoError(t, err)
	require.NotEmpty(t, macros)
	for _, m := range macros {
		_, err := s.check("SELECT "+m[1], nil)
		if volatile[m[0]] == "" && !harmless[m[0]] && err != nil {
			require.NotContains(t, err.Error(), "run again", "macro %s", m[0])
		}
	}
}

func TestEveryTableFunctionIsKnownToDuckDB(t *testing.T) {
	t.Parallel()
	s := newSession(t)
	for _, name := range slices.Sorted(maps.Keys(tableFunctions)) {
		rows, err := s.query("SELECT function_name FROM duckdb_functions() WHERE function_type = 'table' AND function_name = " + quoteText(name) + " LIMIT 1")
		require.NoError(t, err)
		require.NotEmpty(t, rows, name)
	}
}

func TestErrorsHaveTheirClass(t *testing.T) {
	t.Parallel()
	for message, class := range map[string]error{
		"Parser Error: syntax error":                      transform.ErrSQL,
		"Out of Range Error: Overflow in multiplication":  transform.ErrSQL,
		"Out of Memory Error: could not allocate block":   transform.ErrOutOfMemory,
		"IO Error: Cannot open file \"/x\": Binder Error": nil,
		"INTERRUPT Error: Interrupted!":                   nil,
		"INTERNAL Error: Attempted to access index 2":     nil,
		"": nil,
	} {
		require.Equal(t, class, engineError(message).Unwrap(), message)
	}
}

// The syntax tree is DuckDB's JSON; a node without the expected fields must not panic.
func FuzzCheckerToleratesAnyTree(f *testing.F) {
	f.Add(`{"type": "COLUMN_REF", "column_names": []}`)
	f.Add(`{"modifiers": [1], "cte_map": {"map": [1]}}`)
	f.Add(`[{"type": "TABLE_FUNCTION"}, {"class": "PARAMETER"}]`)
	f.Fuzz(func(_ *testing.T, text string) {
		var tree any
		if json.Unmarshal([]byte(text), &tree) == nil {
			_ = newChecker(tree, nil).walk(tree)
		}
	})
}

func FuzzHeadersAreReadOrRefused(f *testing.F) {
	f.Add("a,b\n1,2")
	f.Add("\ufeff\"a \"\"b\"\"\",\r\n")
	f.Add("\"a\nb")
	f.Fuzz(func(t *testing.T, text string) {
		header, err := parseHeader(strings.NewReader(text))
		require.True(t, err != nil || len(header) > 0)
	})
}
