package materialize_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tilery/tilery/pkg/bucket"
	"github.com/tilery/tilery/pkg/bucket/file"
	"github.com/tilery/tilery/pkg/feature"
	"github.com/tilery/tilery/pkg/materialize"
	"github.com/tilery/tilery/pkg/offline"
	"github.com/tilery/tilery/pkg/offline/delta"
	"github.com/tilery/tilery/pkg/online"
	"github.com/tilery/tilery/pkg/online/pebble"
	"github.com/tilery/tilery/pkg/source"
	"github.com/tilery/tilery/pkg/transform/duckdb"
	"github.com/tilery/tilery/pkg/window"
)

const (
	hour = time.Hour
	day  = 24 * time.Hour
)

// start is where the data of all tests begins: a Thursday, as weeks of the epoch do.
var start = window.FromTime(time.Date(2001, 1, 4, 0, 0, 0, 0, time.UTC))

// span is the interval from start+from to start+to.
func span(from, to time.Duration) window.Interval {
	return window.Interval{Start: start.Add(from), End: start.Add(to)}
}

// newView returns a view over events with every function, an Int64 and a String
// join key, and the given times.
func newView(interval, schedule time.Duration, windows ...time.Duration) feature.View {
	v := feature.View{
		BatchFeatureView: feature.BatchFeatureView{
			Metadata: feature.Metadata{Name: "spending"},
			Entities: []string{"user"}, Sources: []feature.ViewSource{{Source: "events"}}, Mode: "sql",
			Transformation: "SELECT * FROM events", TimestampField: "ts", Schema: eventSchema,
			AggregationInterval: feature.Duration(interval), BatchSchedule: feature.Duration(schedule),
			FeatureStartTime: start, Online: true, Offline: true,
		},
		Entities: []feature.Entity{{
			Metadata: feature.Metadata{Name: "user"},
			JoinKeys: feature.Schema{{Name: "user", Type: feature.Int64}, {Name: "shop", Type: feature.String}},
		}},
		Sources: []feature.Source{{BatchSource: feature.BatchSource{
			Metadata:    feature.Metadata{Name: "events"},
			BatchConfig: feature.FileConfig{URI: "events-*.parquet", FileFormat: feature.Parquet, TimestampField: "ts"},
			Schema:      eventSchema,
		}}},
	}
	if len(windows) == 0 {
		windows = []time.Duration{schedule}
	}
	for _, length := range windows {
		for _, a := range []feature.Aggregation{
			{Column: "n", Function: feature.Count}, {Column: "n", Function: feature.Sum}, {Column: "n", Function: feature.Max},
			{Column: "amount", Function: feature.Mean}, {Column: "amount", Function: feature.Sum}, {Column: "amount", Function: feature.Min},
			{Column: "label", Function: feature.Min}, {Column: "label", Function: feature.Count},
		} {
			a.TimeWindow = feature.Trailing(feature.Duration(length))
			v.Aggregations = append(v.Aggregations, a)
		}
	}
	return v
}

// scene is an engine over drivers in temporary directories, with one view.
type scene struct {
	t      testing.TB
	engine *materialize.Engine
	target *materialize.Target
	table  offline.Table
	bucket bucket.Bucket
	root   string // of the sources
	clock  window.Time
	ids    int
}

// newScene returns a scene that reads the Parquet files below its root.
func newScene(t testing.TB, view feature.View) *scene {
	t.Helper()
	s := &scene{t: t, root: t.TempDir(), clock: start.Add(10 * 365 * day)}
	var err error
	s.bucket, err = file.Open(t.TempDir())
	require.NoError(t, err)
	store, err := pebble.Open(filepath.Join(t.TempDir(), "online"), pebble.Options{CacheBytes: 8 << 20})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, store.Close()) })
	sources, err := source.NewLocal(s.root)
	require.NoError(t, err)
	s.engine = &materialize.Engine{
		Bucket: s.bucket, Sources: sources, Transform: duckdb.Engine{}, Offline: newOffline(t, s.bucket), Online: store,
		Options: materialize.Options{MemoryBytes: 128 << 20, ScratchDir: t.TempDir()},
	}
	s.target = newTarget(t, view)
	s.table, err = s.engine.Table(t.Context(), s.target, start)
	require.NoError(t, err)
	return s
}

func newTarget(t testing.TB, view feature.View) *materialize.Target {
	t.Helper()
	target, err := materialize.NewTarget("prod", 1, view)
	require.NoError(t, err)
	return target
}

func newOffline(t testing.TB, b bucket.Bucket) offline.Store {
	return delta.New(b, delta.Options{ScratchDir: t.TempDir(), RowGroupRows: 1000})
}

// newMemoryScene returns a scene whose SQL engine hands out *events.
func newMemoryScene(t testing.TB, view feature.View, events *[]event) *scene {
	t.Helper()
	s := newScene(t, view)
	s.engine.Sources = noFiles{}
	s.engine.Transform = memoryEngine{events}
	return s
}

type noFiles struct{ source.Batch }

func (noFiles) Files(context.Context, feature.BatchSource, window.Interval) (source.Files, error) {
	return source.Files{}, nil
}

func (noFiles) Scan(context.Context, feature.BatchSource, window.Interval) (source.Scan, error) {
	return source.Scan{}, nil
}

// write replaces the sources by events, spread over the given number of files.
func (s *scene) write(events []event, files int) {
	s.t.Helper()
	old, err := filepath.Glob(filepath.Join(s.root, "*.parquet"))
	require.NoError(s.t, err)
	for _, name := range old {
		require.NoError(s.t, os.Remove(name))
	}
	for i := range files {
		var part []event
		for j := i; j < len(events); j += files {
			part = append(part, events[j])
		}
		writeParquet(s.t, filepath.Join(s.root, fmt.Sprintf("events-%d.parquet", i)), part)
	}
}

// build builds a window; every build reads its sources a microsecond later.
func (s *scene) build(w window.Interval) offline.Build {
	s.t.Helper()
	b, err := s.tryBuild(w)
	require.NoError(s.t, err)
	return b
}

func (s *scene) tryBuild(w window.Interval) (offline.Build, error) {
	s.clock++
	s.ids++
	builds, err := s.engine.Build(s.t.Context(), s.target, s.table, materialize.BuildRequest{
		Range: w, ReadAt: s.clock, Attempt: fmt.Sprintf("attempt-%d", s.ids),
	})
	if err != nil {
		return offline.Build{}, err
	}
	require.Len(s.t, builds, 1)
	return builds[0], nil
}

// commit makes builds visible and returns the version.
func (s *scene) commit(overwrite, followed bool, builds ...offline.Build) int64 {
	s.t.Helper()
	s.ids++
	result, err := s.table.Commit(s.t.Context(), offline.Commit{
		ID: fmt.Sprintf("commit-%d", s.ids), Job: "test", Generation: 1, Overwrite: overwrite, Online: followed, Builds: builds,
	})
	require.NoError(s.t, err)
	return result.Version
}

// run builds and commits windows, and makes the online store follow.
func (s *scene) run(windows ...window.Interval) {
	s.t.Helper()
	var builds []offline.Build
	for _, w := range windows {
		builds = append(builds, s.build(w))
	}
	s.commit(true, true, builds...)
	s.apply()
}

func (s *scene) apply() materialize.ApplyResult {
	s.t.Helper()
	result, err := s.engine.Apply(s.t.Context(), s.target, s.table, nil)
	require.NoError(s.t, err)
	return result
}

func (s *scene) snapshot() offline.Snapshot {
	s.t.Helper()
	snapshot, err := s.table.Snapshot(s.t.Context())
	require.NoError(s.t, err)
	return snapshot
}

func (s *scene) status() (online.Status, bool) {
	s.t.Helper()
	status, _, ok, err := online.ReadStatus(s.t.Context(), s.engine.Online, s.target.Store())
	require.NoError(s.t, err)
	return status, ok
}

// with returns an engine that differs in its online store.
func (s *scene) with(store online.Store) *materialize.Engine {
	e := *s.engine
	e.Online = store
	return &e
}

func seeded(seed uint64) *rand.Rand { return rand.New(rand.NewPCG(seed, 0)) }
