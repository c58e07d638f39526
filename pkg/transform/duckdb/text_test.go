package duckdb_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/stretchr/testify/require"

	"github.com/tilery/tilery/pkg/feature"
	"github.com/tilery/tilery/pkg/transform"
	"github.com/tilery/tilery/pkg/transform/duckdb"
)

func TestTextErrorsNameTheFileWithoutAdvice(t *testing.T) {
	t.Parallel()
	for content, want := range map[string]string{
		"id,ts,n\na,2001-01-01\n":       "Expected Number of Columns: 3 Found: 2",
		"id,ts,n\n\"a,2001-01-01,3\n":   "unterminated quote",
		"id,ts,n\na,2001-01-01,x\n":     `column "n" (Int64): bad value x`,
		"id,ts,n\na,2001-01-01,1,2,3\n": "Expected Number of Columns: 3",
	} {
		file := filepath.Join(t.TempDir(), "bad.csv")
		require.NoError(t, os.WriteFile(file, []byte(content), 0o600))
		q := query("SELECT * FROM events", events, file)
		q.Tables[0].Format = feature.CSV
		_, err := duckdb.Engine{}.Run(t.Context(), q, func(arrow.Record) error { return nil })
		require.ErrorIs(t, err, transform.ErrSQL)
		require.ErrorContains(t, err, want)
		require.ErrorContains(t, err, file)
		require.NotContains(t, err.Error(), "strict_mode")
	}
}

// Rows of a large file are split between threads at places that lie in quoted lines.
func TestLargeTextIsReadByAllThreads(t *testing.T) {
	t.Parallel()
	const n = 200_000
	var text strings.Builder
	text.WriteString("n,id,ts\n")
	for range n {
		text.WriteString("1,\"several\nlines, and \"\"quotes\"\", of text that is quite long\r\n5,x,y\",2001-01-01\n")
	}
	file := filepath.Join(t.TempDir(), "large.csv")
	require.NoError(t, os.WriteFile(file, []byte(text.String()), 0o600))
	q := query("SELECT * FROM events WHERE n = 1", events, file)
	q.Tables[0].Format = feature.CSV
	require.Equal(t, int64(n), count(t, q))
}

// A file is replaced after its first rows have been handed out.
func TestFilesThatChangeWhileTheyAreReadAreErrors(t *testing.T) {
	t.Parallel()
	for _, change := range []func(string) error{
		func(path string) error { return os.WriteFile(path, nil, 0o600) },
		os.Remove,
	} {
		file := filepath.Join(t.TempDir(), "events.parquet")
		writeParquet(t, file, "SELECT 'a' AS id, TIMESTAMP '2001-01-01' AS ts, i AS n FROM range(100000) r(i)")
		changed := false
		_, err := duckdb.Engine{}.Run(t.Context(), query("SELECT * FROM events", events, file), func(arrow.Record) error {
			if changed {
				return nil
			}
			changed = true
			return change(file)
		})
		require.ErrorContains(t, err, file)
		require.ErrorContains(t, err, "while it was read")
		require.NotErrorIs(t, err, transform.ErrSQL)
	}
}
