package e2e_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"log/slog"
	"os"
	"os/exec"
	"os/signal"
	"path"
	"regexp"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"

	"github.com/tilery/tilery/pkg/bucket"
	"github.com/tilery/tilery/pkg/config"
	"github.com/tilery/tilery/pkg/online"
	"github.com/tilery/tilery/worker/host"
)

// point is where a worker kills itself with SIGKILL: before or after its nth call whose
// name has the pattern. The zero value is nowhere.
type point struct {
	Name    string // for people
	Pattern string // of mortal.call
	N       int    // from 1
	After   bool
}

// deathVariable makes the test binary a worker, and holds the point as JSON. The programs
// that are shipped cannot kill themselves.
const deathVariable = "TILERY_E2E_DEATH"

// mortalWorker is such a worker, beside a Temporal server that lives on.
type mortalWorker struct {
	command *exec.Cmd
	http    string // empty: it died before it served
	log     bytes.Buffer
	dead    chan struct{} // closed when it has ended
}

func startMortal(t *testing.T, s *stack, source, now string, p point) *mortalWorker {
	t.Helper()
	program, err := os.Executable()
	require.NoError(t, err)
	death, err := json.Marshal(p)
	require.NoError(t, err)
	w := &mortalWorker{command: exec.Command(program), dead: make(chan struct{})}
	w.command.Env = append(s.workerEnvironment(source, now), deathVariable+"="+string(death))
	w.command.Stderr = &w.log
	out, err := w.command.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, w.command.Start())
	t.Cleanup(func() { _ = w.command.Process.Kill(); <-w.dead }) // of no effect once it has ended
	// Work that waits for a worker may kill it before it says where it serves.
	line, _ := bufio.NewReader(out).ReadString('\n')
	_, _ = fmt.Sscanf(line, "Tilery serves %s ", &w.http)
	go func() {
		_ = w.command.Wait() // how it ended is asked of ProcessState
		close(w.dead)
	}()
	return w
}

// note waits for the worker's death and returns its last words, which name the call.
func (w *mortalWorker) note(t *testing.T) string {
	t.Helper()
	select {
	case <-w.dead:
	case <-time.After(upTime):
		require.Fail(t, "the worker lives on")
	}
	status := w.command.ProcessState.Sys().(syscall.WaitStatus)
	require.Equal(t, syscall.SIGKILL, status.Signal(), "%v\n%s", w.command.ProcessState, &w.log)
	return w.lastWords(t, "killed ")
}

// stop ends the worker and returns how many calls it made.
func (w *mortalWorker) stop(t *testing.T) (calls int) {
	t.Helper()
	require.NoError(t, w.command.Process.Signal(syscall.SIGTERM))
	<-w.dead
	require.True(t, w.command.ProcessState.Success(), "%v\n%s", w.command.ProcessState, &w.log)
	_, err := fmt.Sscan(w.lastWords(t, "calls "), &calls)
	require.NoError(t, err)
	return calls
}

func (w *mortalWorker) lastWords(t *testing.T, prefix string) string {
	t.Helper()
	for line := range strings.Lines(w.log.String()) {
		if words, ok := strings.CutPrefix(line, prefix); ok {
			return strings.TrimSpace(words)
		}
	}
	require.Fail(t, "no last words", "%s\n%s", prefix, &w.log)
	return ""
}

// runMortal is the worker's main program.
func runMortal(death string) int {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	m := &mortal{}
	err := json.Unmarshal([]byte(death), &m.point)
	if err == nil {
		m.pattern, err = regexp.Compile(m.Pattern)
	}
	if err == nil {
		err = m.run(ctx)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "mortal worker:", err)
		return 1
	}
	fmt.Fprintln(os.Stderr, "calls", m.calls)
	return 0
}

// mortal knows when to die.
type mortal struct {
	point
	pattern *regexp.Regexp

	mu      sync.Mutex
	begun   bool // an ingest
	calls   int  // since then
	matched int  // of them
}

func (m *mortal) run(ctx context.Context) error {
	c, err := config.Load("", os.Getenv)
	if err != nil {
		return err
	}
	h, err := host.StartWith(ctx, c, slog.New(slog.NewTextHandler(os.Stderr, nil)), host.Hooks{
		Bucket:   func(b bucket.Bucket) bucket.Bucket { return mortalBucket{b, m} },
		Online:   func(s online.Store) online.Store { return mortalStore{s, m} },
		Temporal: []grpc.DialOption{grpc.WithChainUnaryInterceptor(m.temporal)},
	})
	if err != nil {
		return err
	}
	fmt.Printf("Tilery serves %s and polls Temporal at %s\n", h.Address(), c.Temporal.Address)
	select {
	case <-ctx.Done():
	case err = <-h.Failed():
	}
	return errors.Join(err, h.Stop())
}

// call stands before a call, and what it returns behind it. Calls count from the first
// one that has to do with a data frame: what a host does when it starts is another matter.
func (m *mortal) call(op, of string) (answered func()) {
	name := op + " " + of
	m.mu.Lock()
	defer m.mu.Unlock()
	m.begun = m.begun || strings.HasPrefix(of, "ingest/")
	if !m.begun {
		return func() {}
	}
	m.calls++
	if m.pattern.MatchString(name) {
		m.matched++
	}
	switch {
	case m.N == 0 || m.matched != m.N || !m.pattern.MatchString(name):
		return func() {}
	case m.After:
		return func() { m.die("after " + name) }
	}
	m.die("before " + name)
	return nil
}

func (m *mortal) die(words string) {
	fmt.Fprintln(os.Stderr, "killed", words)
	_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
	select {} // no step further
}

// temporal sees what Temporal is told of work that is done, each attempt of it.
func (m *mortal) temporal(ctx context.Context, method string, request, reply any, conn *grpc.ClientConn, invoke grpc.UnaryInvoker, options ...grpc.CallOption) error {
	if name := path.Base(method); strings.HasPrefix(name, "Respond") {
		defer m.call("temporal", name)()
	}
	return invoke(ctx, method, request, reply, conn, options...)
}

// mortalBucket names calls by the method and the key.
type mortalBucket struct {
	bucket.Bucket
	*mortal
}

func (b mortalBucket) Get(ctx context.Context, key string) ([]byte, error) {
	defer b.call("Get", key)()
	return b.Bucket.Get(ctx, key)
}

func (b mortalBucket) GetRange(ctx context.Context, key string, offset, length int64) ([]byte, error) {
	defer b.call("GetRange", key)()
	return b.Bucket.GetRange(ctx, key, offset, length)
}

func (b mortalBucket) Stat(ctx context.Context, key string) (bucket.Info, error) {
	defer b.call("Stat", key)()
	return b.Bucket.Stat(ctx, key)
}

func (b mortalBucket) List(ctx context.Context, prefix, after string) iter.Seq2[bucket.Info, error] {
	return func(yield func(bucket.Info, error) bool) {
		defer b.call("List", prefix)()
		b.Bucket.List(ctx, prefix, after)(yield)
	}
}

func (b mortalBucket) Put(ctx context.Context, key string, data []byte) error {
	defer b.call("Put", key)()
	return b.Bucket.Put(ctx, key, data)
}

func (b mortalBucket) PutIfAbsent(ctx context.Context, key string, data []byte) error {
	defer b.call("PutIfAbsent", key)()
	return b.Bucket.PutIfAbsent(ctx, key, data)
}

func (b mortalBucket) Delete(ctx context.Context, key string) error {
	defer b.call("Delete", key)()
	return b.Bucket.Delete(ctx, key)
}

func (b mortalBucket) Create(ctx context.Context, key string) (bucket.Writer, error) {
	defer b.call("Create", key)()
	w, err := b.Bucket.Create(ctx, key)
	return mortalWriter{w, b.mortal, key}, err
}

type mortalWriter struct {
	bucket.Writer
	*mortal
	key string
}

func (w mortalWriter) Write(p []byte) (int, error) {
	defer w.call("Write", w.key)()
	return w.Writer.Write(p)
}

func (w mortalWriter) Close() error {
	defer w.call("Close", w.key)()
	return w.Writer.Close()
}

// mortalStore names calls by the method and what is read or written.
type mortalStore struct {
	online.Store
	*mortal
}

func (s mortalStore) Get(ctx context.Context, key online.Key) (online.Cell, bool, error) {
	defer s.call("get", key.Store)()
	return s.Store.Get(ctx, key)
}

func (s mortalStore) Read(ctx context.Context, reads []online.Read) ([][]online.Item, error) {
	defer s.call("read", "cells")()
	return s.Store.Read(ctx, reads)
}

// Write carries out one half after the other: a store may do so, and die in between.
func (s mortalStore) Write(ctx context.Context, writes []online.Write) (done []bool, err error) {
	for half := range slices.Chunk(writes, max(1, (len(writes)+1)/2)) {
		part, err := s.write(ctx, half)
		if err != nil {
			return nil, err
		}
		done = append(done, part...)
	}
	return done, nil
}

func (s mortalStore) write(ctx context.Context, writes []online.Write) ([]bool, error) {
	what := "cells"
	if writes[0].Key.Kind == online.KindStatus {
		what = "status"
	}
	defer s.call("write", what)()
	return s.Store.Write(ctx, writes)
}
