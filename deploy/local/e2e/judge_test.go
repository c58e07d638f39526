package e2e_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

const (
	python    = "../../../.tools/venv/bin/python"
	extension = "../../../.tools/duckdb-extensions/delta.duckdb_extension"
)

// query runs a SQL file of testdata; a parameter NAME=VALUE replaces {NAME}.
func query(t *testing.T, file string, parameters ...string) [][]any {
	t.Helper()
	require.FileExists(t, python, "make tools installs it")
	command := exec.Command(python, append([]string{"testdata/query.py", filepath.Join("testdata", file)}, parameters...)...)
	var problems bytes.Buffer
	command.Stderr = &problems
	out, err := command.Output()
	require.NoError(t, err, "%s %v\n%s", file, parameters, &problems)
	var rows [][]any
	lines := bufio.NewScanner(bytes.NewReader(out))
	for lines.Scan() {
		var row []any
		decoder := json.NewDecoder(bytes.NewReader(lines.Bytes()))
		decoder.UseNumber()
		require.NoError(t, decoder.Decode(&row))
		rows = append(rows, row)
	}
	require.NoError(t, lines.Err())
	return rows
}

// table returns the directory of the only offline table.
func table(t *testing.T, dir string) string {
	t.Helper()
	found, err := filepath.Glob(filepath.Join(dir, "bucket/offline/prod/*/*"))
	require.NoError(t, err)
	require.Len(t, found, 1, "stores")
	return found[0]
}

// cell names one value: a window of an airport at an edge.
type cell struct {
	edge            int64 // microseconds
	airport, window string
}

// features are what the view computes for a cell. A cell without flights has none.
type features struct {
	count, max int64
	mean       float64
	magnitude  float64 // sum of the absolute delays, which bounds float errors
}

// judged runs oracle.sql or tiles.sql at the given edges.
func judged(t *testing.T, file string, edges []time.Time, parameters ...string) map[cell]features {
	t.Helper()
	texts := make([]string, len(edges))
	for i, edge := range edges {
		texts[i] = "'" + edge.Format("2006-01-02 15:04:05") + "'"
	}
	out := map[cell]features{}
	for _, row := range query(t, file, append(parameters, "edges="+strings.Join(texts, ","), "flights="+flights, "extension="+extension)...) {
		c := cell{integer(t, row[0]), row[1].(string), row[2].(string)}
		_, twice := out[c]
		require.False(t, twice, "%+v stands twice in the answer", c)
		out[c] = features{integer(t, row[3]), integer(t, row[5]), float(t, row[4]), float(t, row[6])}
	}
	return out
}

func integer(t *testing.T, v any) int64 {
	t.Helper()
	n, err := v.(json.Number).Int64()
	require.NoError(t, err)
	return n
}

func float(t *testing.T, v any) float64 {
	t.Helper()
	f, err := v.(json.Number).Float64()
	require.NoError(t, err)
	return f
}

// requireSame fails at the first cell that differs: counts and maxima are equal,
// means within 1e-9 of the sum of magnitudes.
func requireSame(t *testing.T, want, got map[cell]features) {
	t.Helper()
	for c, w := range want {
		g, ok := got[c]
		require.True(t, ok, "%+v is missing, want %+v", c, w)
		require.Equal(t, w.count, g.count, "%+v", c)
		require.Equal(t, w.max, g.max, "%+v", c)
		require.InDelta(t, w.mean, g.mean, 1e-9*w.magnitude, "%+v", c)
	}
	require.Len(t, got, len(want), "cells that should not be there")
}
