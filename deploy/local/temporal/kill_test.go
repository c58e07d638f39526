package temporal_test

import (
	"bytes"
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"os/exec"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tilery/tilery/deploy/local/temporal"
)

// victimDir, when set, makes the test binary a process that starts a server in
// that directory, prints startedLine and is gone, without a stop.
const (
	victimDir   = "TILERY_TEST_TEMPORAL_DIR"
	startedLine = "started"
)

func TestMain(m *testing.M) {
	dir := os.Getenv(victimDir)
	if dir == "" {
		os.Exit(m.Run())
	}
	if _, err := temporal.Start(context.Background(), temporal.Options{DataDir: dir, UIPort: -1}); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	fmt.Println(startedLine)
	os.Exit(0)
}

// The kills are spread over what a first start writes: the schema, the
// namespace and the system's own records.
func TestFirstStartSurvivesKills(t *testing.T) {
	whole := t.TempDir()
	require.Equal(t, startedLine+"\n", runVictim(t, whole, math.MaxInt64), "an undisturbed start")
	written := filesSize(t, whole)

	seed := rand.Uint64()
	t.Logf("seed %d, an undisturbed start writes %d bytes", seed, written)
	random := rand.New(rand.NewPCG(seed, 0))
	const rounds = 6
	for round := range int64(rounds) {
		dir := t.TempDir()
		for range 2 { // the second kill meets what the first one left
			runVictim(t, dir, (round*written+random.Int64N(written))/rounds)
		}
		s := start(t, temporal.Options{DataDir: dir, UIPort: -1})
		describe(t, s, "default")
		s.Stop()
	}
}

// runVictim kills the process as soon as the files in dir exceed the size, and
// fails the test if the process ended in error before. It returns the output.
func runVictim(t *testing.T, dir string, killAbove int64) string {
	t.Helper()
	victim := exec.Command(os.Args[0])
	victim.Env = append(os.Environ(), victimDir+"="+dir)
	var out, errs bytes.Buffer
	victim.Stdout, victim.Stderr = &out, &errs
	require.NoError(t, victim.Start())
	ended := make(chan struct{})
	var failure error // set when ended is closed
	go func() {
		defer close(ended)
		failure = victim.Wait()
	}()

	poll := time.NewTicker(200 * time.Microsecond)
	defer poll.Stop()
	for {
		select {
		case <-ended:
			require.NoError(t, failure, "%s", errs.String())
			return out.String()
		case <-poll.C:
			if filesSize(t, dir) > killAbove {
				_ = victim.Process.Kill() // an error says that it has just ended
				<-ended
				return out.String()
			}
		}
	}
}

// filesSize is in bytes. A file that vanishes while being looked at counts as
// empty: SQLite removes its journals.
func filesSize(t *testing.T, dir string) int64 {
	t.Helper()
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	var size int64
	for _, e := range entries {
		if info, err := e.Info(); err == nil {
			size += info.Size()
		}
	}
	return size
}
