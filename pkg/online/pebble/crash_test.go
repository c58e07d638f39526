package pebble_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tilery/tilery/pkg/online"
	"github.com/tilery/tilery/pkg/online/pebble"
)

// writerDir names the directory that a child process writes to.
const writerDir = "TILERY_TEST_WRITER_DIR"

const (
	crashStore   = "crash"
	crashWriters = 4
	crashCells   = 8 // of each Write
)

func TestMain(m *testing.M) {
	if dir := os.Getenv(writerDir); dir != "" {
		fmt.Fprintln(os.Stderr, writeUntilKilled(dir))
		os.Exit(1)
	}
	os.Exit(m.Run())
}

func crashKey(writer, cell int) online.Key {
	return online.Key{Store: crashStore, Entity: []byte{byte(writer)}, Kind: online.KindTile, Level: uint8(cell)}
}

// writeUntilKilled writes rising versions and prints each that was acknowledged.
func writeUntilKilled(dir string) error {
	s, err := pebble.Open(dir, pebble.Options{})
	if err != nil {
		return err
	}
	failed := make(chan error)
	var out sync.Mutex
	for writer := range crashWriters {
		go func() {
			for version := uint64(1); ; version++ {
				writes := make([]online.Write, crashCells)
				for cell := range writes {
					writes[cell] = online.Write{
						Key:       crashKey(writer, cell),
						Cell:      online.Cell{Version: version, Value: make([]byte, 512)},
						Condition: online.IfVersion, Expected: version - 1,
					}
				}
				if _, err := s.Write(context.Background(), writes); err != nil {
					failed <- err
					return
				}
				out.Lock()
				fmt.Println(writer, version)
				out.Unlock()
			}
		}()
	}
	return <-failed
}

func TestAcknowledgedWritesSurviveKill(t *testing.T) {
	t.Parallel()
	for round := range 3 {
		dir := t.TempDir()
		child := exec.Command(os.Args[0])
		child.Env = append(os.Environ(), writerDir+"="+dir)
		child.Stderr = os.Stderr
		stdout, err := child.StdoutPipe()
		require.NoError(t, err)
		require.NoError(t, child.Start())

		acknowledged := readAcknowledged(t, stdout, child, 50*(round+1))
		_ = child.Wait() // it was killed

		s := open(t, dir)
		for writer, version := range acknowledged {
			for cell := range crashCells {
				got, ok, err := s.Get(context.Background(), crashKey(writer, cell))
				require.NoError(t, err)
				require.True(t, ok)
				require.GreaterOrEqual(t, got.Version, version, "writer %d", writer)
			}
		}
		require.NoError(t, s.Close())
	}
}

// readAcknowledged returns the last version that each writer printed. It kills
// the child after some lines, and reads what the child printed until its death.
func readAcknowledged(t *testing.T, stdout io.Reader, child *exec.Cmd, killAfter int) map[int]uint64 {
	last := map[int]uint64{}
	lines := bufio.NewScanner(stdout)
	for n := 1; lines.Scan(); n++ {
		var writer int
		var version uint64
		if _, err := fmt.Sscan(lines.Text(), &writer, &version); err != nil {
			continue // a line that the kill cut off
		}
		last[writer] = version
		if n == 1 {
			_, err := pebble.Open(child.Env[len(child.Env)-1][len(writerDir)+1:], pebble.Options{})
			require.ErrorIs(t, err, pebble.ErrInUse, "while another process has it")
		}
		if n == killAfter {
			require.NoError(t, child.Process.Kill())
		}
	}
	require.NotEmpty(t, last)
	return last
}
