package deltalog_test

import (
	"context"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tilery/tilery/pkg/source/deltalog"
	"github.com/tilery/tilery/pkg/window"
)

const (
	protocol = `{"protocol":{"minReaderVersion":1,"minWriterVersion":2}}`
	metaData = `{"metaData":{"id":"1","format":{"provider":"parquet"},"schemaString":"{\"type\":\"struct\",\"fields\":[{\"name\":\"id\"},{\"name\":\"ts\"},{\"name\":\"day\"}]}","partitionColumns":["day"],"configuration":{}}}`
)

func info(ms int64) string { return fmt.Sprintf(`{"commitInfo":{"timestamp":%d}}`, ms) }

func adding(name string) string {
	return fmt.Sprintf(`{"add":{"path":%q,"partitionValues":{"day":"2001-01-01"},"size":7,"dataChange":true}}`, name)
}

func removing(name string) string {
	return fmt.Sprintf(`{"remove":{"path":%q,"dataChange":true}}`, name)
}

// create writes a table whose log is these files.
func create(t testing.TB, logFiles map[string]string) string {
	t.Helper()
	directory := t.TempDir()
	require.NoError(t, os.Mkdir(filepath.Join(directory, "_delta_log"), 0o700))
	for name, content := range logFiles {
		require.NoError(t, os.WriteFile(filepath.Join(directory, "_delta_log", name), []byte(content), 0o600))
	}
	return directory
}

// commits names the commits of versions from 0 up.
func commits(contents ...string) map[string]string {
	out := make(map[string]string)
	for version, content := range contents {
		out[fmt.Sprintf("%020d.json", version)] = content
	}
	return out
}

func lines(actions ...string) string { return strings.Join(actions, "\n") + "\n" }

// names returns the live files of a version, relative to the table.
func names(t *testing.T, directory string, version int64) []string {
	t.Helper()
	log, err := deltalog.Open(directory)
	require.NoError(t, err)
	snapshot, err := log.Snapshot(t.Context(), version)
	require.NoError(t, err)
	require.Equal(t, version, snapshot.Version)
	out := []string{}
	for _, f := range snapshot.Files {
		name, err := filepath.Rel(directory, f.Path)
		require.NoError(t, err)
		out = append(out, name)
	}
	return out
}

// read returns the error of reading the newest version.
func read(directory string) error {
	log, err := deltalog.Open(directory)
	if err != nil {
		return err
	}
	_, err = log.Snapshot(context.Background(), log.Last())
	return err
}

func TestVersionsAreWhatTheirCommitsSay(t *testing.T) {
	t.Parallel()
	directory := create(t, commits(
		lines(info(1), protocol, metaData, adding("a"), adding("b")),
		lines(info(2), adding("c"), removing("a"), `{"txn":{"appId":"x","version":1}}`, `{"cdc":{"path":"y"}}`),
		lines(info(3), adding("a"), removing("unknown"), adding("c")),
		lines(info(4), removing("a"), removing("b"), removing("c")),
	))
	require.Equal(t, []string{"a", "b"}, names(t, directory, 0))
	require.Equal(t, []string{"b", "c"}, names(t, directory, 1))
	require.Equal(t, []string{"a", "b", "c"}, names(t, directory, 2))
	require.Empty(t, names(t, directory, 3))
}

func TestVersionsThatAreNotThereAreNamed(t *testing.T) {
	t.Parallel()
	directory := create(t, commits(lines(protocol, metaData), lines(adding("a"))))
	log, err := deltalog.Open(directory)
	require.NoError(t, err)
	require.Equal(t, int64(1), log.Last())
	for _, version := range []int64{-1, 2, 1 << 62} {
		_, err = log.Snapshot(t.Context(), version)
		require.ErrorIs(t, err, deltalog.ErrVersion)
		require.ErrorContains(t, err, "versions 0 to 1 are there")
	}
}

func TestTimesChooseTheNewestVersionThatIsNotLater(t *testing.T) {
	t.Parallel()
	directory := create(t, commits(
		lines(protocol, metaData, info(1000)),
		lines(`{"commitInfo":{"timestamp":9000,"inCommitTimestamp":2000}}`),
		lines(adding("no time of its own")),
		lines(info(4000)),
	))
	written := time.UnixMilli(3000)
	require.NoError(t, os.Chtimes(filepath.Join(directory, "_delta_log", fmt.Sprintf("%020d.json", 2)), written, written))
	log, err := deltalog.Open(directory)
	require.NoError(t, err)
	for ms, want := range map[int64]int64{1000: 0, 1999: 0, 2000: 1, 3000: 2, 3999: 2, 4000: 3, 1e9: 3} {
		version, err := log.At(t.Context(), window.Time(ms*1000))
		require.NoError(t, err)
		require.Equal(t, want, version, ms)
	}
	_, err = log.At(t.Context(), window.Time(999_999))
	require.ErrorIs(t, err, deltalog.ErrVersion)
	require.ErrorContains(t, err, "the first that is there, 0, is of 1970-01-01T00:00:01Z")
}

func TestWhatIsNotUnderstoodIsRefused(t *testing.T) {
	t.Parallel()
	for name, actions := range map[string][]string{
		"a reader of version 4": {`{"protocol":{"minReaderVersion":4}}`, metaData},
		"no protocol version":   {`{"protocol":{}}`, metaData},
		"feature v2Checkpoint":  {`{"protocol":{"minReaderVersion":3,"readerFeatures":["v2Checkpoint"]}}`, metaData},
		"feature typeWidening":  {`{"protocol":{"minReaderVersion":3,"readerFeatures":["timestampNtz","typeWidening"]}}`, metaData},
		"column mapping by name": {`{"protocol":{"minReaderVersion":2}}`,
			strings.Replace(metaData, `"configuration":{}`, `"configuration":{"delta.columnMapping.mode":"name"}`, 1)},
		"files are orc":               {protocol, strings.Replace(metaData, `"parquet"`, `"orc"`, 1)},
		"a deletion vector":           {protocol, metaData, `{"add":{"path":"a","size":1,"deletionVector":{"storageType":"u","pathOrInlineDv":"x"}}}`},
		"not below the table: ..":     {protocol, metaData, adding("../a")},
		"not below the table: %2e%2e": {protocol, metaData, adding("x/%2e%2e/%2E%2e/a")},
		"not below the table: /":      {protocol, metaData, adding("/etc/passwd")},
		"not below the table: file:":  {protocol, metaData, adding("file:/etc/passwd")},
		"not below the table: s3:":    {protocol, metaData, adding("s3://bucket/a")},
		"not below the table: it":     {protocol, metaData, adding("")},
	} {
		err := read(create(t, commits(lines(actions...))))
		require.ErrorIs(t, err, deltalog.ErrUnsupported, name)
		text, _, _ := strings.Cut(name, ": ")
		require.ErrorContains(t, err, strings.TrimPrefix(strings.TrimPrefix(text, "no protocol "), "feature "))
	}
}

func TestFeaturesThatAreNotUsedAreNoHindrance(t *testing.T) {
	t.Parallel()
	all := `{"protocol":{"minReaderVersion":3,"readerFeatures":["columnMapping","deletionVectors","timestampNtz"],"writerFeatures":["inCommitTimestamp"]}}`
	deleted := `"deletionVector":{"storageType":"u","pathOrInlineDv":"x","offset":1}`
	directory := create(t, commits(
		lines(all, metaData, adding("a"), adding("b")),
		lines(removing("a"), `{"add":{"path":"a","size":1,`+deleted+`}}`),
		lines(`{"remove":{"path":"a",`+deleted+`}}`, adding("c")),
	))
	require.Equal(t, []string{"a", "b"}, names(t, directory, 0))
	require.Equal(t, []string{"b", "c"}, names(t, directory, 2))
}

func TestDamageIsAnError(t *testing.T) {
	t.Parallel()
	whole := commits(lines(protocol, metaData, adding("a")), lines(adding("b")), lines(adding("c")))
	for name, change := range map[string]func(map[string]string){
		"hole":         func(log map[string]string) { delete(log, "00000000000000000001.json") },
		"torn line":    func(log map[string]string) { log["00000000000000000001.json"] = adding("b")[:20] },
		"empty commit": func(log map[string]string) { log["00000000000000000002.json"] = "\n" },
		"no start":     func(log map[string]string) { delete(log, "00000000000000000000.json") },
		"no metadata":  func(log map[string]string) { log["00000000000000000000.json"] = protocol },
		"no protocol":  func(log map[string]string) { log["00000000000000000000.json"] = metaData },
		"schema": func(log map[string]string) {
			log["00000000000000000000.json"] = lines(protocol, `{"metaData":{"schemaString":"{"}}`)
		},
		"path":       func(log map[string]string) { log["00000000000000000001.json"] = adding("%zz") },
		"checkpoint": func(log map[string]string) { log["00000000000000000002.checkpoint.parquet"] = "PAR1 and no more PAR1" },
	} {
		t.Run(name, func(t *testing.T) {
			log := maps.Clone(whole)
			change(log)
			require.ErrorIs(t, read(create(t, log)), deltalog.ErrDamaged)
		})
	}
	require.NoError(t, read(create(t, whole)))
}

func TestWhatIsNoTableIsToldApart(t *testing.T) {
	t.Parallel()
	require.ErrorIs(t, read(t.TempDir()), deltalog.ErrNoTable)
	require.ErrorIs(t, read(filepath.Join(t.TempDir(), "missing")), deltalog.ErrNoTable)
	require.ErrorIs(t, read(create(t, map[string]string{"x.json": "", "_last_checkpoint": "{}"})), deltalog.ErrNoTable)
	newer := create(t, map[string]string{
		"00000000000000000005.json": lines(adding("a")),
		"00000000000000000004.checkpoint.80a083e8-7026-4e79-81be-64bd76c43a11.parquet": "",
	})
	require.ErrorIs(t, read(newer), deltalog.ErrUnsupported)
}

func TestFilesTellTheirTimesAndPartitions(t *testing.T) {
	t.Parallel()
	withStats := func(name, stats string) string {
		return fmt.Sprintf(`{"add":{"path":%q,"partitionValues":{"day":""},"size":7,"stats":%q}}`, name, stats)
	}
	directory := create(t, commits(lines(protocol, metaData,
		withStats("a", `{"numRecords":3,"minValues":{"ts":"2001-01-01T00:00:00.000Z"},"maxValues":{"ts":"2001-01-01 12:00:00"},"nullCount":{"ts":0}}`),
		withStats("b", `{"numRecords":0}`), withStats("c", `{"minValues":{"ts":5},"maxValues":{"ts":"?"}}`), withStats("d", "{"), adding("e%20%C3%A5"),
	)))
	log, err := deltalog.Open(directory)
	require.NoError(t, err)
	snapshot, err := log.Snapshot(t.Context(), 0)
	require.NoError(t, err)
	require.Len(t, snapshot.Files, 5)
	require.Equal(t, []string{"id", "ts", "day"}, snapshot.Columns)

	a, e := snapshot.Files[0], snapshot.Files[4]
	require.Equal(t, int64(3), a.Rows)
	times, known := a.Times("ts")
	require.True(t, known)
	require.Equal(t, "[2001-01-01T00:00:00Z, 2001-01-01T12:00:00.001Z)", times.String())
	require.Equal(t, map[string]*string{"day": nil}, a.PartitionValues)
	times, known = a.Times("day")
	require.True(t, known)
	require.True(t, times.Empty())
	for _, f := range snapshot.Files[1:] {
		_, known = f.Times("ts")
		require.False(t, known, f.Path)
	}
	require.Equal(t, int64(0), snapshot.Files[1].Rows)
	require.Equal(t, int64(-1), e.Rows)
	require.Equal(t, filepath.Join(directory, "e å"), e.Path)
	require.Equal(t, "2001-01-01", *e.PartitionValues["day"])
	times, known = e.Times("day")
	require.True(t, known)
	require.Equal(t, "[2001-01-01T00:00:00Z, 2001-01-01T00:00:00.000001Z)", times.String())
}

func TestReadingEndsWithItsContext(t *testing.T) {
	t.Parallel()
	log, err := deltalog.Open("testdata/orders")
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = log.Snapshot(ctx, 4)
	require.ErrorIs(t, err, context.Canceled)
	_, err = log.At(ctx, 0)
	require.ErrorIs(t, err, context.Canceled)
}
