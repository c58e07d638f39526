package deltalog_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/apache/arrow/go/v15/arrow/memory"
	"github.com/apache/arrow/go/v15/parquet"
	"github.com/apache/arrow/go/v15/parquet/pqarrow"
	"github.com/stretchr/testify/require"

	"github.com/tilery/tilery/pkg/source/deltalog"
)

// The tables in testdata were written by delta-rs. "orders" has versions 0 to 4
// with a checkpoint at 2; of "plain" versions 0 to 2 were cleaned up.
func TestTablesOfAnotherWriter(t *testing.T) {
	t.Parallel()
	log, err := deltalog.Open("testdata/orders")
	require.NoError(t, err)
	require.Equal(t, int64(4), log.Last())
	for version, want := range [][]string{{"se", "us"}, {"se", "us", "å b/c"}, {"null", "se", "us", "å b/c"}, {"null", "se", "å b/c"}, {"null", "se", "se", "å b/c"}} {
		snapshot, err := log.Snapshot(t.Context(), int64(version))
		require.NoError(t, err)
		var countries []string
		for _, f := range snapshot.Files {
			require.FileExists(t, f.Path)
			require.Equal(t, int64(3), f.Rows)
			_, known := f.Times("ts")
			require.True(t, known)
			country := "null"
			if value := f.PartitionValues["country"]; value != nil {
				country = *value
			}
			countries = append(countries, country)
		}
		require.ElementsMatch(t, want, countries, version)
		require.Equal(t, version == 4, snapshot.HasColumn("extra"))
	}

	log, err = deltalog.Open("testdata/plain")
	require.NoError(t, err)
	snapshot, err := log.Snapshot(t.Context(), log.Last())
	require.NoError(t, err)
	require.Equal(t, int64(4), snapshot.Version)
	require.Len(t, snapshot.Files, 2)
	_, err = log.Snapshot(t.Context(), 2)
	require.ErrorIs(t, err, deltalog.ErrVersion)
	require.ErrorContains(t, err, "versions 3 to 4 are there")

	log, err = deltalog.Open("testdata/empty")
	require.NoError(t, err)
	snapshot, err = log.Snapshot(t.Context(), 0)
	require.NoError(t, err)
	require.Empty(t, snapshot.Files)
}

// With the checkpoint and without it a version is the same.
func TestCheckpointsHoldWhatTheirCommitsSay(t *testing.T) {
	t.Parallel()
	whole, err := deltalog.Open("testdata/orders")
	require.NoError(t, err)
	directory := t.TempDir()
	require.NoError(t, os.CopyFS(directory, os.DirFS("testdata/orders")))
	require.NoError(t, os.Remove(filepath.Join(directory, "_delta_log", fmt.Sprintf("%020d.checkpoint.parquet", 2))))
	bare, err := deltalog.Open(directory)
	require.NoError(t, err)
	for version := range int64(5) {
		want, err := bare.Snapshot(t.Context(), version)
		require.NoError(t, err)
		got, err := whole.Snapshot(t.Context(), version)
		require.NoError(t, err)
		require.Equal(t, want.Columns, got.Columns)
		require.Len(t, got.Files, len(want.Files))
		for i, f := range got.Files {
			require.Equal(t, want.Files[i].PartitionValues, f.PartitionValues)
			require.Equal(t, want.Files[i].Rows, f.Rows)
			require.Equal(t, want.Files[i].Size, f.Size)
			wantTimes, _ := want.Files[i].Times("ts")
			times, _ := f.Times("ts")
			require.Equal(t, wantTimes, times)
		}
	}
}

// checkpointSchema is what a checkpoint needs at least.
var checkpointSchema = arrow.NewSchema([]arrow.Field{
	{Name: "add", Nullable: true, Type: arrow.StructOf(
		arrow.Field{Name: "path", Nullable: true, Type: arrow.BinaryTypes.String},
		arrow.Field{Name: "partitionValues", Nullable: true, Type: arrow.MapOf(arrow.BinaryTypes.String, arrow.BinaryTypes.String)},
		arrow.Field{Name: "size", Nullable: true, Type: arrow.PrimitiveTypes.Int64},
		arrow.Field{Name: "deletionVector", Nullable: true, Type: arrow.StructOf(
			arrow.Field{Name: "storageType", Nullable: true, Type: arrow.BinaryTypes.String},
			arrow.Field{Name: "pathOrInlineDv", Nullable: true, Type: arrow.BinaryTypes.String},
			arrow.Field{Name: "offset", Nullable: true, Type: arrow.PrimitiveTypes.Int32})})},
	{Name: "metaData", Nullable: true, Type: arrow.StructOf(
		arrow.Field{Name: "schemaString", Nullable: true, Type: arrow.BinaryTypes.String},
		arrow.Field{Name: "partitionColumns", Nullable: true, Type: arrow.ListOf(arrow.BinaryTypes.String)})},
	{Name: "protocol", Nullable: true, Type: arrow.StructOf(
		arrow.Field{Name: "minReaderVersion", Nullable: true, Type: arrow.PrimitiveTypes.Int32},
		arrow.Field{Name: "readerFeatures", Nullable: true, Type: arrow.ListOf(arrow.BinaryTypes.String)})},
	{Name: "sidecar", Nullable: true, Type: arrow.StructOf(arrow.Field{Name: "path", Nullable: true, Type: arrow.BinaryTypes.String})},
}, nil)

func checkpoint(t *testing.T, rows ...string) string {
	t.Helper()
	r, _, err := array.RecordFromJSON(memory.DefaultAllocator, checkpointSchema, strings.NewReader("["+strings.Join(rows, ",")+"]"))
	require.NoError(t, err)
	defer r.Release()
	var out strings.Builder
	w, err := pqarrow.NewFileWriter(checkpointSchema, &out, parquet.NewWriterProperties(), pqarrow.DefaultWriterProps())
	require.NoError(t, err)
	require.NoError(t, w.Write(r))
	require.NoError(t, w.Close())
	return out.String()
}

const (
	checkpointStart = `{"metaData": {"schemaString": "{\"fields\":[{\"name\":\"ts\"}]}", "partitionColumns": ["day"]}}, {"protocol": {"minReaderVersion": 3, "readerFeatures": ["deletionVectors"]}}`
	addOfDay        = `{"add": {"path": "%s", "size": 5, "partitionValues": [{"key": "day", "value": "2001-01-01"}]}}`
)

func TestCheckpointsOfSeveralParts(t *testing.T) {
	t.Parallel()
	parts := map[string]string{
		"00000000000000000007.checkpoint.0000000001.0000000002.parquet": checkpoint(t, checkpointStart, fmt.Sprintf(addOfDay, "a")),
		"00000000000000000007.checkpoint.0000000002.0000000002.parquet": checkpoint(t, fmt.Sprintf(addOfDay, "b"), fmt.Sprintf(addOfDay, "c")),
		"00000000000000000008.json":                                     lines(removing("b"), adding("d")),
		// Half of a newer one is being written.
		"00000000000000000008.checkpoint.0000000001.0000000002.parquet": "PAR1",
	}
	directory := create(t, parts)
	require.Equal(t, []string{"a", "b", "c"}, names(t, directory, 7))
	require.Equal(t, []string{"a", "c", "d"}, names(t, directory, 8))

	log, err := deltalog.Open(directory)
	require.NoError(t, err)
	snapshot, err := log.Snapshot(t.Context(), 7)
	require.NoError(t, err)
	require.Equal(t, "2001-01-01", *snapshot.Files[0].PartitionValues["day"])
	_, err = log.Snapshot(t.Context(), 6)
	require.ErrorIs(t, err, deltalog.ErrVersion)
}

func TestCheckpointsAreJudgedLikeCommits(t *testing.T) {
	t.Parallel()
	const name = "00000000000000000007.checkpoint.parquet"
	for want, row := range map[string]string{
		"deletion vector":      `{"add": {"path": "a", "size": 5, "deletionVector": {"storageType": "u", "pathOrInlineDv": "x", "offset": 1}}}`,
		"version 2 checkpoint": `{"sidecar": {"path": "x"}}`,
		"not below the table":  fmt.Sprintf(addOfDay, "../a"),
		"reader feature new":   `{"protocol": {"minReaderVersion": 3, "readerFeatures": ["new"]}}`,
	} {
		err := read(create(t, map[string]string{name: checkpoint(t, checkpointStart, row)}))
		require.ErrorIs(t, err, deltalog.ErrUnsupported)
		require.ErrorContains(t, err, want)
	}
	require.ErrorIs(t, read(create(t, map[string]string{name: checkpoint(t, fmt.Sprintf(addOfDay, "a"))})), deltalog.ErrDamaged)
	good := checkpoint(t, checkpointStart, fmt.Sprintf(addOfDay, "a"))
	require.NoError(t, read(create(t, map[string]string{name: good})))
	for _, cut := range []int{0, 1, len(good) / 2, len(good) - 1} {
		require.ErrorIs(t, read(create(t, map[string]string{name: good[:cut]})), deltalog.ErrDamaged, cut)
	}
}
