package delta_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"

	"github.com/tilery/tilery/pkg/bucket"
	"github.com/tilery/tilery/pkg/bucket/file"
	"github.com/tilery/tilery/pkg/offline"
	"github.com/tilery/tilery/pkg/offline/delta"
	"github.com/tilery/tilery/pkg/offline/offlinetest"
)

const commitsPerJob = 12

// jobHour is the hour that a job's n-th commit covers: no other commit's.
func jobHour(job, n int) int { return job*commitsPerJob + n }

func jobRows(hourN int) []offlinetest.Row { return rowsAt(hour(hourN).Start, hour(hourN).End-1) }

// runJob builds windows, waits for the start, and commits one after the other.
func runJob(ctx context.Context, b bucket.Bucket, job int, start func() error) error {
	table, err := delta.New(b, delta.Options{}).Open(ctx, offlinetest.Spec())
	if err != nil {
		return err
	}
	var builds []offline.Build
	for n := range commitsPerJob {
		h := jobHour(job, n)
		build, err := offlinetest.Write(ctx, table, hour(h), readAt(1), jobRows(h))
		if err != nil {
			return err
		}
		builds = append(builds, build)
	}
	if err := start(); err != nil {
		return err
	}
	for n, build := range builds {
		result, err := table.Commit(ctx, offline.Commit{ID: fmt.Sprintf("job-%d-%d", job, n), Builds: []offline.Build{build}})
		if err != nil {
			return err
		}
		if result.Outcomes[0] != offline.Committed {
			return fmt.Errorf("window %v, which nobody else builds, is %s", build.Window, result.Outcomes[0])
		}
	}
	return nil
}

// requireJobs demands that each commit of the jobs is in the log exactly once.
func requireJobs(t *testing.T, w *world, jobs int) {
	audited := offlinetest.Audit(t, w.disk, offlinetest.Spec())
	require.EqualValues(t, jobs*commitsPerJob, audited.Version)
	where := map[string]coverage{}
	for _, c := range audited.Commits {
		where[c.ID] = c.Windows
	}
	for job := range jobs {
		for n := range commitsPerJob {
			require.Equal(t, coverage{hour(jobHour(job, n)).Start: readAt(1)}, where[fmt.Sprintf("job-%d-%d", job, n)])
		}
	}
	require.Equal(t, w.rowsOf(audited.ReadAt), audited.Rows)
}

// newJobsWorld returns an empty table and what the jobs will bring into it.
func newJobsWorld(t *testing.T, b bucket.Bucket, jobs int) *world {
	w := newWorld(t, b, open(t, b, delta.Options{}), nil)
	for h := range jobs * commitsPerJob {
		w.rows[content{hour(h).Start, readAt(1)}] = jobRows(h)
	}
	return w
}

// readUntil reads the table through a handle of its own, until the writers are done.
func (w *world) readUntil(ctx context.Context, done <-chan struct{}) error {
	table, err := delta.New(w.disk, delta.Options{}).Open(ctx, offlinetest.Spec())
	if err != nil {
		return err
	}
	for {
		if err := w.read(ctx, table); err != nil {
			return err
		}
		select {
		case <-done:
			return nil
		default:
		}
	}
}

func TestEightJobsCommitAtOnceAndEachCommitLandsOnce_B1_B2_B3_B4(t *testing.T) {
	t.Parallel()
	const jobs, readers = 8, 2
	w := newJobsWorld(t, newBucket(t), jobs)
	writing, ctx := errgroup.WithContext(t.Context())
	built, begin := make(chan struct{}, jobs), make(chan struct{})
	start := func() error {
		built <- struct{}{}
		select {
		case <-begin:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	for job := range jobs {
		writing.Go(func() error { return runJob(ctx, w.disk, job, start) })
	}
	for range jobs {
		select {
		case <-built:
		case <-ctx.Done():
			require.NoError(t, writing.Wait())
		}
	}
	close(begin)
	var reading errgroup.Group
	done := make(chan struct{})
	for range readers {
		reading.Go(func() error { return w.readUntil(t.Context(), done) })
	}
	err := writing.Wait()
	close(done)
	require.NoError(t, err)
	require.NoError(t, reading.Wait())
	requireJobs(t, w, jobs)
}

// The variables that tell a child process which job it is, over which bucket.
const (
	jobVariable    = "DELTA_TEST_JOB"
	folderVariable = "DELTA_TEST_FOLDER"
)

// TestMain turns the test binary into a job where a test started it as one.
func TestMain(m *testing.M) {
	if job := os.Getenv(jobVariable); job != "" {
		if err := runChild(job, os.Getenv(folderVariable)); err != nil {
			fmt.Fprintln(os.Stderr, "job", job, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// runChild says on its standard output when it has built, and starts when its input ends.
func runChild(job, folder string) error {
	n, err := strconv.Atoi(job)
	if err != nil {
		return err
	}
	b, err := file.Open(folder)
	if err != nil {
		return err
	}
	return runJob(context.Background(), b, n, func() error {
		fmt.Println("built")
		_, err := io.Copy(io.Discard, os.Stdin)
		return err
	})
}

func TestFourProcessesCommitAtOnceAndEachCommitLandsOnce_B1_B2_B3_B4(t *testing.T) {
	t.Parallel()
	const processes = 4
	folder := t.TempDir()
	b, err := file.Open(folder)
	require.NoError(t, err)
	w := newJobsWorld(t, b, processes)
	exe, err := os.Executable()
	require.NoError(t, err)

	var children []*exec.Cmd
	var inputs []io.Closer
	for job := range processes {
		child := exec.CommandContext(t.Context(), exe)
		child.Env = append(os.Environ(), fmt.Sprint(jobVariable, "=", job), folderVariable+"="+folder)
		child.Stderr = os.Stderr
		stdin, err := child.StdinPipe()
		require.NoError(t, err)
		stdout, err := child.StdoutPipe()
		require.NoError(t, err)
		require.NoError(t, child.Start())
		children, inputs = append(children, child), append(inputs, stdin)
		require.True(t, bufio.NewScanner(stdout).Scan(), "process %d ended", job)
	}
	var reading errgroup.Group
	done := make(chan struct{})
	reading.Go(func() error { return w.readUntil(t.Context(), done) })
	for _, input := range inputs {
		require.NoError(t, input.Close())
	}
	for job, child := range children {
		require.NoError(t, child.Wait(), "process %d", job)
	}
	close(done)
	require.NoError(t, reading.Wait())
	requireJobs(t, w, processes)
}
