package e2e_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// bin holds the programs under test, built by TestMain.
var bin string

func TestMain(m *testing.M) { os.Exit(testMain(m)) }

func testMain(m *testing.M) int {
	if death, ok := os.LookupEnv(deathVariable); ok {
		return runMortal(death)
	}
	var err error
	if bin, err = os.MkdirTemp("", "tilery-e2e-"); err == nil {
		defer func() { _ = os.RemoveAll(bin) }() // below the system's temporary directory
		err = build()
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "e2e:", err)
		return 1
	}
	return m.Run()
}

func build() error {
	for _, target := range []struct{ module, program, source string }{
		{"..", "tilery-local", "."}, {"../../..", "tilery", "./starter"}, {"../../..", "tilery-worker", "./worker"},
	} {
		command := exec.Command("go", "build", "-o", filepath.Join(bin, target.program), target.source)
		command.Dir = target.module
		if output, err := command.CombinedOutput(); err != nil {
			return fmt.Errorf("build %s: %w\n%s", target.program, err, output)
		}
	}
	return nil
}

const (
	view     = "airport_delays"
	flights  = "../../../examples/flights/data/flights-2001-01.parquet"
	examples = "../../../examples/flights"
	upTime   = time.Minute // for a stack to come up
)

// stack is one process of tilery-local.
type stack struct {
	dir       string
	command   *exec.Cmd
	exited    chan error
	log       *bytes.Buffer
	Endpoints struct {
		HTTP     string `json:"http"`
		Temporal string `json:"temporal"`
		PID      int    `json:"pid"`
	}
}

// startStack starts a stack over dir, with the clock at the end of January 2001.
// The command line is the same each time: ports are free ones.
func startStack(t *testing.T, dir string) *stack {
	t.Helper()
	return startStackAt(t, dir, "2001-02-01T00:00:00Z")
}

func startStackAt(t *testing.T, dir, now string) *stack {
	t.Helper()
	return startStackWith(t, dir, "-source-root", examples, "-clock", "fixed:"+now)
}

func startStackWith(t *testing.T, dir string, flags ...string) *stack {
	t.Helper()
	endpoints := filepath.Join(dir, "endpoints.json")
	require.NoError(t, os.RemoveAll(endpoints)) // a killed stack leaves it behind
	s := &stack{dir: dir, log: &bytes.Buffer{}, exited: make(chan error, 1)}
	s.command = exec.Command(filepath.Join(bin, "tilery-local"), append(flags,
		"-data-dir", dir, "-http", "127.0.0.1:0", "-temporal-port", "0", "-ui-port", "-1")...)
	s.command.Stderr = s.log
	require.NoError(t, s.command.Start())
	go func() { s.exited <- s.command.Wait() }()
	t.Cleanup(func() { _ = s.command.Process.Kill() }) // of no effect once it has ended
	waitFor(t, upTime, "the stack comes up", func() bool {
		select {
		case err := <-s.exited:
			require.Failf(t, "the stack ended", "%v\n%s", err, s.log)
		default:
		}
		data, err := os.ReadFile(endpoints)
		return err == nil && json.Unmarshal(data, &s.Endpoints) == nil
	})
	require.Equal(t, s.command.Process.Pid, s.Endpoints.PID)
	return s
}

// stop asks the stack to end and waits for it.
func (s *stack) stop(t *testing.T) {
	t.Helper()
	require.NoError(t, s.command.Process.Signal(syscall.SIGTERM))
	require.NoError(t, <-s.exited, s.log)
}

// kill ends the stack as a crash does.
func (s *stack) kill(t *testing.T) {
	t.Helper()
	require.NoError(t, s.command.Process.Kill())
	require.Error(t, <-s.exited)
}

// tilery runs one command line and returns what it printed.
func (s *stack) tilery(t *testing.T, args ...string) string {
	t.Helper()
	out, err := s.try(args...)
	require.NoError(t, err, "tilery %v", args)
	return out
}

func (s *stack) try(args ...string) (string, error) {
	command := exec.Command(filepath.Join(bin, "tilery"), args...)
	command.Env = append(os.Environ(), "TILERY_SERVER="+s.Endpoints.HTTP, "TILERY_TEMPORAL_ADDRESS="+s.Endpoints.Temporal)
	var out, problems bytes.Buffer
	command.Stdout, command.Stderr = &out, &problems
	if err := command.Run(); err != nil {
		return out.String(), fmt.Errorf("%w\n%s", err, problems.String())
	}
	return out.String(), nil
}

// waitFor polls a condition.
func waitFor(t *testing.T, limit time.Duration, what string, condition func() bool) {
	t.Helper()
	deadline := time.After(limit)
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for !condition() {
		select {
		case <-deadline:
			require.Failf(t, "timed out", "waited %v until %s", limit, what)
		case <-tick.C:
		}
	}
}
