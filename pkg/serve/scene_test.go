package serve_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/apache/arrow/go/v15/arrow/memory"
	"github.com/apache/arrow/go/v15/parquet"
	"github.com/apache/arrow/go/v15/parquet/pqarrow"
	"github.com/stretchr/testify/require"

	"github.com/tilery/tilery/pkg/api"
	"github.com/tilery/tilery/pkg/bucket"
	"github.com/tilery/tilery/pkg/bucket/file"
	"github.com/tilery/tilery/pkg/clock"
	"github.com/tilery/tilery/pkg/feature"
	"github.com/tilery/tilery/pkg/feature/repository"
	"github.com/tilery/tilery/pkg/materialize"
	"github.com/tilery/tilery/pkg/offline"
	"github.com/tilery/tilery/pkg/offline/delta"
	"github.com/tilery/tilery/pkg/online"
	"github.com/tilery/tilery/pkg/online/pebble"
	"github.com/tilery/tilery/pkg/record"
	"github.com/tilery/tilery/pkg/registry"
	"github.com/tilery/tilery/pkg/serve"
	"github.com/tilery/tilery/pkg/source"
	"github.com/tilery/tilery/pkg/transform/duckdb"
	"github.com/tilery/tilery/pkg/window"
)

const day = 24 * time.Hour

// start is feature_start_time in testdata/features.yaml.
var start = window.FromTime(time.Date(2001, 1, 4, 0, 0, 0, 0, time.UTC))

// scene is a server over drivers in temporary directories.
type scene struct {
	t       testing.TB
	options serve.Options
	server  http.Handler
	engine  *materialize.Engine
	bucket  bucket.Bucket
	root    string // of the sources
	log     *logBuffer
	builds  int
}

func newScene(t testing.TB) *scene {
	t.Helper()
	s := &scene{t: t, root: t.TempDir(), log: &logBuffer{}}
	var err error
	s.bucket, err = file.Open(t.TempDir())
	require.NoError(t, err)
	store, err := pebble.Open(filepath.Join(t.TempDir(), "online"), pebble.Options{})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, store.Close()) })
	sources, err := source.NewLocal(s.root)
	require.NoError(t, err)
	definitions := registry.New(s.bucket)
	s.engine = &materialize.Engine{
		Bucket: s.bucket, Registry: definitions, Sources: sources, Transform: duckdb.Engine{},
		Offline: delta.New(s.bucket, delta.Options{ScratchDir: t.TempDir()}), Online: store,
		Options: materialize.Options{ScratchDir: t.TempDir()},
	}
	s.options = serve.Options{
		Registry: definitions, Planner: &registry.Planner{Registry: definitions, Engine: duckdb.Engine{}},
		Online: store, Clock: clock.Fixed(start.Add(100 * day)), Logger: slog.New(slog.NewTextHandler(s.log, nil)),
	}
	s.server = serve.New(s.options)
	return s
}

// logBuffer is a log that is read while it is written.
type logBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (l *logBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(p)
}

func (l *logBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.String()
}

// event is a row of the source; amount is the text of a number.
type event struct {
	user   int64
	at     window.Time
	n      *int64
	amount *string
	label  *string
}

func ptr[T any](v T) *T { return &v }

// write replaces the source.
func (s *scene) write(events []event) {
	s.t.Helper()
	schema := feature.Schema{
		{Name: "user", Type: feature.Int64}, {Name: "ts", Type: feature.Timestamp},
		{Name: "n", Type: feature.Int64}, {Name: "amount", Type: feature.String}, {Name: "label", Type: feature.String},
	}
	b := array.NewRecordBuilder(memory.DefaultAllocator, record.ArrowSchema(schema))
	defer b.Release()
	for _, e := range events {
		b.Field(0).(*array.Int64Builder).Append(e.user)
		b.Field(1).(*array.TimestampBuilder).Append(arrow.Timestamp(e.at))
		appendTo(b.Field(2).(*array.Int64Builder), e.n)
		appendTo(b.Field(3).(*array.StringBuilder), e.amount)
		appendTo(b.Field(4).(*array.StringBuilder), e.label)
	}
	rec := b.NewRecord()
	defer rec.Release()
	out, err := os.Create(filepath.Join(s.root, "events.parquet"))
	require.NoError(s.t, err)
	w, err := pqarrow.NewFileWriter(rec.Schema(), out, parquet.NewWriterProperties(), pqarrow.DefaultWriterProps())
	require.NoError(s.t, err)
	require.NoError(s.t, w.Write(rec))
	require.NoError(s.t, w.Close())
}

func appendTo[T any](b interface {
	Append(T)
	AppendNull()
}, v *T) {
	if v == nil {
		b.AppendNull()
		return
	}
	b.Append(*v)
}

// definitions are those of testdata, changed.
func (s *scene) definitions(change func(string) string) []repository.File {
	s.t.Helper()
	files, err := repository.Read("testdata")
	require.NoError(s.t, err)
	if change != nil {
		for i := range files {
			files[i].Content = change(files[i].Content)
		}
	}
	return files
}

// apply applies definitions to workspace prod on top of a generation.
func (s *scene) apply(base int64, change func(string) string) {
	s.t.Helper()
	request := api.ApplyRequest{PlanRequest: api.PlanRequest{Workspace: "prod", Files: s.definitions(change)}, BaseGeneration: base}
	status, body := s.post(api.ApplyPath, request)
	require.Equal(s.t, http.StatusOK, status, body)
}

// materialize makes days from start on visible, in both stores.
func (s *scene) materialize(from, to int) {
	s.t.Helper()
	ctx := s.t.Context()
	target, err := s.engine.Target(ctx, "prod", 0, "spending")
	require.NoError(s.t, err)
	table, err := s.engine.Table(ctx, target, start)
	require.NoError(s.t, err)
	commit := offline.Commit{ID: fmt.Sprint("commit-", s.builds), Job: "test", Generation: 1, Overwrite: true, Online: true}
	for d := from; d < to; d++ {
		s.builds++
		w := window.Interval{Start: start.Add(time.Duration(d) * day), End: start.Add(time.Duration(d+1) * day)}
		b, err := s.engine.Build(ctx, target, table, materialize.BuildRequest{
			Range: w, ReadAt: start + window.Time(s.builds), Attempt: fmt.Sprint(s.builds),
		})
		require.NoError(s.t, err)
		commit.Builds = append(commit.Builds, b...)
	}
	_, err = table.Commit(ctx, commit)
	require.NoError(s.t, err)
	_, err = s.engine.Apply(ctx, target, table, nil)
	require.NoError(s.t, err)
}

// post sends a request, whose body is text or what becomes JSON.
func (s *scene) post(path string, body any) (status int, answer string) {
	s.t.Helper()
	return post(s.t, s.server, path, body)
}

func post(t testing.TB, server http.Handler, path string, body any) (status int, answer string) {
	t.Helper()
	text, ok := body.(string)
	if !ok {
		data, err := json.Marshal(body)
		require.NoError(t, err)
		text = string(data)
	}
	w := httptest.NewRecorder()
	server.ServeHTTP(w, httptest.NewRequest(http.MethodPost, path, bytes.NewBufferString(text)))
	require.Equal(t, "application/json", w.Header().Get("Content-Type"))
	return w.Code, w.Body.String()
}

// features asks for a vector of a user, with further parameters.
func (s *scene) features(user int64, more string) (status int, answer string) {
	s.t.Helper()
	return s.post(api.GetFeaturesPath, ask(user, more))
}

func ask(user int64, more string) string {
	return fmt.Sprintf(`{"params":{"workspaceName":"prod","featureViewName":"spending","joinKeyMap":{"user":"%d"}%s}}`, user, more)
}

// with returns a server that differs in its options.
func (s *scene) with(change func(*serve.Options)) http.Handler {
	o := s.options
	change(&o)
	return serve.New(o)
}

// changedStore is an online store with another Read.
type changedStore struct {
	online.Store
	read func(ctx context.Context, reads []online.Read) ([][]online.Item, error)
}

func (c changedStore) Read(ctx context.Context, reads []online.Read) ([][]online.Item, error) {
	return c.read(ctx, reads)
}
