package source_test

import (
	"context"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tilery/tilery/pkg/feature"
	"github.com/tilery/tilery/pkg/source"
	"github.com/tilery/tilery/pkg/window"
)

// root returns a directory whose name holds signs of patterns, with these files.
func root(t *testing.T, names ...string) string {
	dir := filepath.Join(t.TempDir(), "a[b]*?")
	require.NoError(t, os.MkdirAll(filepath.Join(dir, "data", "deep"), 0o700))
	for _, name := range names {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(name), 0o600))
	}
	return dir
}

func find(t *testing.T, dir, uri string) (source.Files, error) {
	local, err := source.NewLocal(dir)
	require.NoError(t, err)
	s := feature.BatchSource{Metadata: feature.Metadata{Name: "flights"}, BatchConfig: feature.FileConfig{URI: uri}}
	return local.Files(t.Context(), s, window.Interval{})
}

func paths(files source.Files) []string {
	out := []string{}
	for _, f := range files.Files {
		out = append(out, f.Path)
	}
	return out
}

func TestFilesMatchTheLastElement(t *testing.T) {
	dir := root(t, "data/f-10.parquet", "data/f-2.parquet", "data/f-1.parquet", "data/g[1].parquet", "data/g1.parquet",
		"data/.f-3.parquet", `data/back\*`, "data/deep/f-1.parquet", "f.parquet")
	for uri, want := range map[string][]string{
		"f.parquet":             {"f.parquet"},
		"./data/../f.parquet":   {"f.parquet"},
		"data/f-*.parquet":      {"data/f-1.parquet", "data/f-10.parquet", "data/f-2.parquet"},
		"data/f-?.parquet":      {"data/f-1.parquet", "data/f-2.parquet"},
		"data/?-3.parquet":      nil,
		"data/*f-3.parquet":     nil, // hidden
		"data/.f-*.parquet":     {"data/.f-3.parquet"},
		"data/g[1].parquet":     {"data/g[1].parquet"},
		"data/g[*.parquet":      {"data/g[1].parquet"},
		`data/back\*`:           {`data/back\*`},
		"data/deep/*":           {"data/deep/f-1.parquet"},
		"data/missing/*":        nil,
		"data/f-1.parquet/x":    nil,
		"data/missing.parquet":  nil,
		"data/missing-*":        nil,
		"data/deep/../f-1*":     {"data/f-1.parquet", "data/f-10.parquet"},
		"data/nowhere/../f-1.*": {"data/f-1.parquet"},
	} {
		t.Run(uri, func(t *testing.T) {
			files, err := find(t, dir, uri)
			if want == nil {
				require.Error(t, err)
				if uri != "data/f-1.parquet/x" {
					require.ErrorIs(t, err, source.ErrNoFiles)
				}
				return
			}
			require.NoError(t, err)
			bytes := 0
			for i, name := range want {
				want[i] = filepath.Join(dir, name)
				bytes += len(name)
			}
			require.Equal(t, want, paths(files))
			require.Equal(t, int64(bytes), files.Bytes)
			require.Len(t, files.Version, 16)
		})
	}
}

func TestDefinitionsCannotReachOtherFiles(t *testing.T) {
	dir := root(t, "data/f.parquet")
	outside := filepath.Join(dir, "data")
	for _, uri := range []string{"", "..", "../data/f.parquet", "data/../../x", outside + "/f.parquet", "data/*/f.parquet", "s3://bucket/f.parquet", "data/f\x00"} {
		_, err := find(t, dir, uri)
		require.ErrorIs(t, err, source.ErrURI, uri)
		require.ErrorContains(t, err, "source flights: ")
	}
}

func TestLinksAreFollowedWhereverTheyLead(t *testing.T) {
	dir, outside := root(t), root(t, "data/f.parquet")
	require.NoError(t, os.Symlink(filepath.Join(outside, "data"), filepath.Join(dir, "mounted")))
	require.NoError(t, os.Symlink(filepath.Join(outside, "data/f.parquet"), filepath.Join(dir, "data/one.parquet")))
	for _, uri := range []string{"mounted/*.parquet", "mounted/f.parquet", "data/one.parquet"} {
		files, err := find(t, dir, uri)
		require.NoError(t, err)
		require.Len(t, files.Files, 1)
		require.Equal(t, int64(len("data/f.parquet")), files.Bytes)
	}
	require.NoError(t, os.Remove(filepath.Join(outside, "data/f.parquet")))
	_, err := find(t, dir, "data/one.parquet")
	require.ErrorIs(t, err, source.ErrNoFiles)
}

func TestFoldersAreNoFiles(t *testing.T) {
	dir := root(t, "data/f.parquet")
	for _, uri := range []string{"data", "data/", ".", "data/*"} {
		_, err := find(t, dir, uri)
		require.ErrorIs(t, err, source.ErrURI, uri)
		require.ErrorContains(t, err, "is not a regular file")
	}
}

func TestVersionTellsStatesApart(t *testing.T) {
	dir := root(t, "data/f-1.parquet", "data/f-2.parquet")
	at := time.Date(2001, 1, 1, 0, 0, 0, 0, time.UTC)
	touch := func(name string, at time.Time) { require.NoError(t, os.Chtimes(filepath.Join(dir, name), at, at)) }
	touch("data/f-1.parquet", at)
	touch("data/f-2.parquet", at)
	version := func() string {
		files, err := find(t, dir, "data/f-*")
		require.NoError(t, err)
		return files.Version
	}
	seen := map[string]bool{version(): true}
	require.True(t, seen[version()], "nothing changed")
	for name, change := range map[string]func(){
		"time": func() { touch("data/f-1.parquet", at.Add(time.Nanosecond)) },
		"size": func() {
			require.NoError(t, os.WriteFile(filepath.Join(dir, "data/f-2.parquet"), []byte("longer than before"), 0o600))
			touch("data/f-2.parquet", at)
		},
		"name": func() {
			require.NoError(t, os.Rename(filepath.Join(dir, "data/f-2.parquet"), filepath.Join(dir, "data/f-3.parquet")))
		},
	} {
		change()
		got := version()
		require.False(t, seen[got], name)
		seen[got] = true
	}
	require.NoError(t, os.Remove(filepath.Join(dir, "data/f-1.parquet")))
	require.False(t, seen[version()], "a file less")
}

func TestFilesEndWithTheirContext(t *testing.T) {
	local, err := source.NewLocal(root(t, "data/f.parquet"))
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for _, uri := range []string{"data/*", "data/f.parquet"} {
		_, err = local.Files(ctx, feature.BatchSource{BatchConfig: feature.FileConfig{URI: uri}}, window.Interval{})
		require.ErrorIs(t, err, context.Canceled)
	}
}

func TestRootMustBeADirectory(t *testing.T) {
	dir := root(t, "f")
	_, err := source.NewLocal(filepath.Join(dir, "missing"))
	require.ErrorIs(t, err, os.ErrNotExist)
	_, err = source.NewLocal(filepath.Join(dir, "f"))
	require.ErrorContains(t, err, "is not a directory")
}
