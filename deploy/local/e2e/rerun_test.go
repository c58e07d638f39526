package e2e_test

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tilery/tilery/pkg/online"
	"github.com/tilery/tilery/pkg/online/pebble"
)

// state is all that the stores of the only view hold, without the versions and ids that
// differ from run to run.
type state struct {
	dir       string
	rows      [][]any           // of the offline table, sorted
	online    map[string]string // cell key -> value or tombstone
	covered   string            // online
	watermark string
}

// readState reads the stores of a stack that is not running.
func readState(t *testing.T, dir string) state {
	t.Helper()
	return readStores(t, dir, "rows.sql")
}

// readStores does it for a view whose rows the SQL file lists.
func readStores(t *testing.T, dir, rows string) state {
	t.Helper()
	s := state{dir: dir, online: map[string]string{}}
	s.rows = query(t, rows, "table="+table(t, dir), "extension="+extension)
	store, err := pebble.Open(filepath.Join(dir, "online"), pebble.Options{})
	require.NoError(t, err)
	defer func() { require.NoError(t, store.Close()) }()
	name, err := filepath.Rel(filepath.Join(dir, "bucket/offline"), table(t, dir))
	require.NoError(t, err)
	status, _, ok, err := online.ReadStatus(t.Context(), store, name)
	require.NoError(t, err)
	require.True(t, ok)
	s.covered, s.watermark = fmt.Sprint(status.Covered), fmt.Sprint(status.Watermark)
	for item, err := range store.Scan(t.Context(), name+"/"+status.Epoch) {
		require.NoError(t, err)
		item.Key.Store = ""
		key := fmt.Sprintf("%+v", item.Key)
		s.online[key] = fmt.Sprintf("tombstone %v value %s", item.Cell.Tombstone, hex.EncodeToString(item.Cell.Value))
	}
	require.NotEmpty(t, s.rows)
	require.NotEmpty(t, s.online)
	return s
}

func requireEqualState(t *testing.T, want, got state) {
	t.Helper()
	requireServes(t, want, got)
	require.Equal(t, want.covered, got.covered)
	require.Equal(t, len(want.online), len(got.online))
}

// requireServes is requireEqualState for a store that may hold older cells besides:
// a view that went through January day by day keeps what it served then.
func requireServes(t *testing.T, want, got state) {
	t.Helper()
	require.Equal(t, want.watermark, got.watermark)
	require.Equal(t, len(want.rows), len(got.rows))
	for i := range want.rows {
		require.Equal(t, want.rows[i], got.rows[i], "row %d", i)
	}
	for key, value := range want.online {
		require.Equal(t, value, got.online[key], key)
	}
}

var baseline struct {
	once sync.Once
	state
}

// undisturbed is the state after one whole backfill without interference, made
// once for all tests.
func undisturbed(t *testing.T) state {
	t.Helper()
	baseline.once.Do(func() {
		dir := filepath.Join(bin, "undisturbed")
		require.NoError(t, os.Mkdir(dir, 0o700))
		s := startStack(t, dir)
		s.tilery(t, "apply", examples, "--yes")
		s.tilery(t, "materialize", view)
		s.stop(t)
		baseline.state = readState(t, dir)
	})
	require.NotEmpty(t, baseline.dir, "the undisturbed run failed")
	return baseline.state
}

// TestRerunsLeaveTheSameBits_B5_B9 builds windows again with overwrite: ranges
// that overlap, several at once, in random order.
func TestRerunsLeaveTheSameBits_B5_B9(t *testing.T) {
	const seed = 20010104
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	dir := t.TempDir()
	require.NoError(t, os.CopyFS(dir, os.DirFS(undisturbed(t).dir)))
	before := liveFiles(t, dir)
	s := startStack(t, dir)
	for range 3 {
		var runs sync.WaitGroup
		problems := make(chan error, 4)
		for _, r := range overlappingRanges(random, 4) {
			runs.Go(func() {
				_, err := s.try("materialize", view, "--overwrite", "--start", r[0], "--end", r[1],
					"--commit-windows", fmt.Sprint(1+len(r[0])%5), "--parallelism", "3")
				problems <- err
			})
		}
		runs.Wait()
		close(problems)
		for err := range problems {
			require.NoError(t, err)
		}
	}
	s.tilery(t, "materialize", view, "--overwrite")
	s.stop(t)
	for file := range liveFiles(t, dir) {
		require.False(t, before[file], "%s was not written again", file)
	}
	requireEqualState(t, undisturbed(t), readState(t, dir))
}

// overlappingRanges returns distinct random ranges of days that share a day.
func overlappingRanges(random *rand.Rand, n int) [][2]string {
	shared := 1 + random.IntN(totalWindows-2)
	seen := map[[2]string]bool{}
	var out [][2]string
	for len(out) < n {
		start := firstWindow.AddDate(0, 0, random.IntN(shared+1))
		end := firstWindow.AddDate(0, 0, shared+1+random.IntN(totalWindows-shared))
		r := [2]string{start.Format(time.DateOnly), end.Format(time.DateOnly)}
		if !seen[r] {
			seen[r] = true
			out = append(out, r)
		}
	}
	return out
}

// logLine is what the tests read of the Delta log.
type logLine struct {
	Add    *struct{ Path string }
	Remove *struct{ Path string }
	Txn    *struct{ AppID string }
}

func readLog(t *testing.T, dir string, each func(logLine)) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "bucket/offline/prod/*/*/_delta_log/*.json"))
	require.NoError(t, err)
	for _, file := range files {
		data, err := os.ReadFile(file)
		require.NoError(t, err)
		for line := range bytes.Lines(data) {
			var l logLine
			require.NoError(t, json.Unmarshal(line, &l), "%s: a commit is whole or not there", file)
			each(l)
		}
	}
}

func liveFiles(t *testing.T, dir string) map[string]bool {
	t.Helper()
	live := map[string]bool{}
	readLog(t, dir, func(l logLine) {
		if l.Add != nil {
			live[l.Add.Path] = true
		}
		if l.Remove != nil {
			delete(live, l.Remove.Path)
		}
	})
	return live
}

func committedWindows(t *testing.T, dir string) int {
	t.Helper()
	windows := map[string]bool{}
	readLog(t, dir, func(l logLine) {
		if l.Txn != nil && strings.HasPrefix(l.Txn.AppID, "w/") {
			windows[l.Txn.AppID] = true
		}
	})
	return len(windows)
}

// countObjects counts the objects of the bucket, unfinished ones left out.
func countObjects(t *testing.T, dir string) int {
	t.Helper()
	n := 0
	err := filepath.WalkDir(filepath.Join(dir, "bucket"), func(_ string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if entry.IsDir() && strings.HasPrefix(entry.Name(), ".") {
			return filepath.SkipDir
		}
		if !entry.IsDir() {
			n++
		}
		return nil
	})
	require.NoError(t, err)
	return n
}
