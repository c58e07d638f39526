package erase_test

import (
	"context"
	"fmt"
	"iter"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/apache/arrow/go/v15/arrow/memory"
	"github.com/stretchr/testify/require"

	"github.com/tilery/tilery/pkg/bucket"
	"github.com/tilery/tilery/pkg/bucket/buckettest"
	"github.com/tilery/tilery/pkg/dataset"
	"github.com/tilery/tilery/pkg/erase"
	"github.com/tilery/tilery/pkg/feature"
	"github.com/tilery/tilery/pkg/forget"
	"github.com/tilery/tilery/pkg/frame"
	"github.com/tilery/tilery/pkg/ledger"
	"github.com/tilery/tilery/pkg/materialize"
	"github.com/tilery/tilery/pkg/offline"
	"github.com/tilery/tilery/pkg/offline/delta"
	"github.com/tilery/tilery/pkg/online"
	"github.com/tilery/tilery/pkg/online/pebble"
	"github.com/tilery/tilery/pkg/record"
	"github.com/tilery/tilery/pkg/registry"
	"github.com/tilery/tilery/pkg/source"
	"github.com/tilery/tilery/pkg/transform"
	"github.com/tilery/tilery/pkg/window"
)

const day = 24 * time.Hour

// start is where the data of all tests begins.
var start = window.FromTime(time.Date(2001, 1, 4, 0, 0, 0, 0, time.UTC))

// event is a row of the source.
type event struct {
	user int
	at   window.Time
	n    int64
}

// days is how many days the events of a scene are spread over.
const days = 4

func randomEvents(seed uint64, count, users int) []event {
	r := rand.New(rand.NewPCG(seed, 0))
	out := make([]event, count)
	for i := range out {
		out[i] = event{r.IntN(users), start.Add(time.Duration(r.Int64N(int64(days*day) / 1000 * 1000))), r.Int64N(100)}
	}
	return out
}

// columns of the source: the keys of each kind of view, and what they store.
var columns = feature.Schema{
	{Name: "name", Type: feature.String}, {Name: "id", Type: feature.Int64}, {Name: "shop", Type: feature.String},
	{Name: "label", Type: feature.String}, {Name: "ts", Type: feature.Timestamp}, {Name: "n", Type: feature.Int64},
}

func nameOf(user int) string { return fmt.Sprintf("person-%05d", user) }

func (e event) value(column string) feature.Value {
	switch column {
	case "name":
		return feature.StringValue(nameOf(e.user))
	case "id":
		return feature.Int64Value(int64(e.user) - 50)
	case "shop":
		return feature.StringValue(fmt.Sprint("shop ", e.user%3))
	case "label":
		return feature.StringValue(fmt.Sprint("label ", e.n%4))
	case "ts":
		return feature.TimestampValue(e.at)
	}
	return feature.Int64Value(e.n)
}

// recordOf returns events as a record of some columns.
func recordOf(events []event, fields feature.Schema) (arrow.Record, error) {
	b := array.NewRecordBuilder(memory.DefaultAllocator, record.ArrowSchema(fields))
	defer b.Release()
	for _, e := range events {
		values := make([]feature.Value, len(fields))
		for i, f := range fields {
			values[i] = e.value(f.Name)
		}
		if err := record.AppendColumns(b.Fields(), values); err != nil {
			return nil, err
		}
	}
	return b.NewRecord(), nil
}

// memoryEngine is SELECT * over events in memory.
type memoryEngine struct{ events *[]event }

func (memoryEngine) Describe(context.Context, string, []transform.Table) (transform.Description, error) {
	return transform.Description{Schema: columns}, nil
}

func (m memoryEngine) Run(_ context.Context, q transform.Query, fn func(arrow.Record) error) (transform.Stats, error) {
	var inside []event
	for _, e := range *m.events {
		if q.Interval.Contains(e.at) {
			inside = append(inside, e)
		}
	}
	for part := range slices.Chunk(inside, 10_000) {
		rec, err := recordOf(part, q.Output)
		if err == nil {
			err = fn(rec)
			rec.Release()
		}
		if err != nil {
			return transform.Stats{}, err
		}
	}
	return transform.Stats{Rows: int64(len(inside))}, nil
}

type noFiles struct{ source.Batch }

func (noFiles) Files(context.Context, feature.BatchSource, window.Interval) (source.Files, error) {
	return source.Files{}, nil
}

// The kinds of views.
const (
	rowsByName    = "rows by a text"
	rowsByID      = "rows by an integer"
	tilesByBoth   = "tiles by two keys"
	tilesOfLabels = "tiles with a secondary key"
)

var kinds = []string{rowsByName, rowsByID, tilesByBoth, tilesOfLabels}

func keyFields(kind string) feature.Schema {
	switch kind {
	case rowsByID:
		return columns[1:2]
	case tilesByBoth:
		return columns[1:3]
	}
	return columns[:1]
}

func newRepository(kind, transformation string) feature.Repository {
	keys := keyFields(kind)
	view := feature.BatchFeatureView{
		Metadata: feature.Metadata{Name: "spending"}, Entities: []string{"user"},
		Sources: []feature.ViewSource{{Source: "events"}}, Mode: "sql", Transformation: transformation,
		TimestampField: "ts", Schema: append(slices.Clone(keys), columns[3:]...), BatchSchedule: feature.Duration(day),
		FeatureStartTime: start, Online: true, Offline: true,
	}
	if kind == tilesByBoth || kind == tilesOfLabels {
		view.AggregationInterval = feature.Duration(time.Hour)
		view.Aggregations = []feature.Aggregation{{Column: "n", Function: feature.Sum, TimeWindow: feature.Trailing(feature.Duration(days * day))}}
	}
	if kind == tilesOfLabels {
		view.AggregationSecondaryKey = "label"
	}
	return feature.Repository{
		Entities: []feature.Entity{{Metadata: feature.Metadata{Name: "user"}, JoinKeys: keys}},
		BatchSources: []feature.BatchSource{{
			Metadata:    feature.Metadata{Name: "events"},
			BatchConfig: feature.FileConfig{URI: "events.parquet", FileFormat: feature.Parquet, TimestampField: "ts"}, Schema: view.Schema,
		}},
		BatchFeatureViews: []feature.BatchFeatureView{view},
	}
}

// scene is an engine over an object store in memory and an online store in a temporary
// directory. Steps may fail: fault is asked before each of their calls.
type scene struct {
	t      testing.TB
	kind   string
	bucket bucket.Bucket
	online online.Store
	engine *erase.Engine
	events []event
	ids    int64
	ahead  atomic.Int64 // of real time, in nanoseconds
	fault  func(op, key string) buckettest.Fault
}

func newScene(t testing.TB, kind string, events []event) *scene {
	t.Helper()
	s := &scene{t: t, kind: kind, events: events}
	s.fault = func(string, string) buckettest.Fault { return buckettest.None }
	s.bucket = buckettest.NewMemory()
	var err error
	s.online, err = pebble.Open(filepath.Join(t.TempDir(), "online"), pebble.Options{CacheBytes: 8 << 20})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.online.Close()) })
	faulty := buckettest.Faulty{Bucket: s.bucket, Hook: func(op, key string) buckettest.Fault { return s.fault(op, key) }}
	aged := agedBucket{faulty, s}
	tables := delta.New(faulty, delta.Options{ScratchDir: t.TempDir(), RowGroupRows: 1000, Now: s.now})
	views := &materialize.Engine{
		Bucket: aged, Registry: registry.New(faulty), Sources: noFiles{}, Transform: memoryEngine{&s.events},
		Offline: tables, Online: faultyCells{s.online, s}, Fences: &forget.Store{Bucket: faulty}, Ledger: ledger.New(faulty),
		Options: materialize.Options{MemoryBytes: 64 << 20, ScratchDir: t.TempDir()},
	}
	s.engine = &erase.Engine{
		Bucket: aged, Views: views, Datasets: dataset.New(faulty, tables), Fences: views.Fences,
		Options: erase.Options{BatchBytes: 1, Now: s.now},
	}
	return s
}

func (s *scene) now() time.Time { return time.Now().Add(time.Duration(s.ahead.Load())) }

// product is what the product's clock says.
func (s *scene) product() window.Time { return start.Add(2 * days * day) }

// agedBucket shows objects as much older as the scene's time is ahead.
type agedBucket struct {
	bucket.Bucket
	s *scene
}

func (a agedBucket) List(ctx context.Context, prefix, after string) iter.Seq2[bucket.Info, error] {
	return func(yield func(bucket.Info, error) bool) {
		for info, err := range a.Bucket.List(ctx, prefix, after) {
			info.ModTime = info.ModTime.Add(-time.Duration(a.s.ahead.Load()))
			if !yield(info, err) {
				return
			}
		}
	}
}

// faultyCells is an online store whose writes fail as those of the bucket.
type faultyCells struct {
	online.Store
	s *scene
}

func (f faultyCells) Write(ctx context.Context, writes []online.Write) ([]bool, error) {
	fault := f.s.fault("Write", "cells")
	if fault == buckettest.Refused {
		return nil, buckettest.ErrInjected
	}
	won, err := f.Store.Write(ctx, writes)
	if fault != buckettest.None {
		err = buckettest.ErrInjected
	}
	return won, err
}

// define applies the view with another transformation, so that it gets another store.
func (s *scene) define(transformation string) {
	s.t.Helper()
	base := int64(0)
	if g, err := s.engine.Views.Registry.Latest(s.t.Context(), "prod"); err == nil {
		base = g.Number
	}
	_, err := s.engine.Views.Registry.Apply(s.t.Context(), "prod", base, newRepository(s.kind, transformation), s.product())
	require.NoError(s.t, err)
}

func (s *scene) stores() materialize.Stores {
	s.t.Helper()
	stores, err := s.engine.Views.Stores(s.t.Context(), "prod", "spending")
	require.NoError(s.t, err)
	return stores
}

func (s *scene) table(t *materialize.Target) offline.Table {
	s.t.Helper()
	table, err := s.engine.Views.Table(s.t.Context(), t, s.product())
	require.NoError(s.t, err)
	return table
}

// build builds a day of a store.
func (s *scene) build(t *materialize.Target, n int) offline.Build {
	s.t.Helper()
	s.ids++
	builds, err := s.engine.Views.Build(s.t.Context(), t, s.table(t), materialize.BuildRequest{
		Range:  window.Interval{Start: start.Add(time.Duration(n) * day), End: start.Add(time.Duration(n+1) * day)},
		ReadAt: window.Time(s.ids), Attempt: fmt.Sprint("attempt-", s.ids),
	})
	require.NoError(s.t, err)
	require.Len(s.t, builds, 1)
	return builds[0]
}

// commit makes builds visible and returns the version.
func (s *scene) commit(t *materialize.Target, builds ...offline.Build) int64 {
	s.t.Helper()
	s.ids++
	result, err := s.table(t).Commit(s.t.Context(), offline.Commit{
		ID: fmt.Sprint("commit-", s.ids), Job: "test", Generation: t.Generation, Overwrite: true, Online: true, Builds: builds,
	})
	require.NoError(s.t, err)
	for _, outcome := range result.Outcomes {
		require.Equal(s.t, offline.Committed, outcome)
	}
	return result.Version
}

func (s *scene) apply(t *materialize.Target) {
	s.t.Helper()
	_, err := s.engine.Views.Apply(s.t.Context(), t, s.table(t), nil)
	require.NoError(s.t, err)
}

// fill commits days one by one, and has the online store follow.
func (s *scene) fill(t *materialize.Target, days ...int) {
	s.t.Helper()
	for _, n := range days {
		s.commit(t, s.build(t, n))
	}
	s.apply(t)
}

// newFilled returns a scene with a store that is retired, one that serves and one that
// is filling.
func newFilled(t testing.TB, kind string, events []event) *scene {
	t.Helper()
	s := newScene(t, kind, events)
	s.define("one")
	s.fill(s.stores().Serving, 0, 1, 2, 3)
	s.define("two")
	s.fill(s.stores().Filling, 0, 1, 2, 3)
	switched, err := s.engine.Views.Switch(t.Context(), "prod", "spending", s.product())
	require.NoError(t, err)
	require.NotZero(t, switched.Generation, switched.Lacks)
	s.define("three")
	s.fill(s.stores().Filling, 2, 3)
	require.Len(t, s.targets(), 3)
	return s
}

func (s *scene) targets() []*materialize.Target {
	s.t.Helper()
	targets, err := s.engine.Views.ViewStores(s.t.Context(), "prod", "spending")
	require.NoError(s.t, err)
	return targets
}

// key returns the encoded key of a user.
func (s *scene) key(user int) string {
	fields := keyFields(s.kind)
	values := make([]feature.Value, len(fields))
	for i, f := range fields {
		values[i] = event{user: user}.value(f.Name)
	}
	key, err := record.AppendKey(nil, fields, values)
	require.NoError(s.t, err)
	return string(key)
}

func (s *scene) keys(users []int) map[string]bool {
	out := map[string]bool{}
	for _, user := range users {
		out[s.key(user)] = true
	}
	return out
}

// csv returns users as a data frame.
func (s *scene) csv(users ...int) string {
	var out strings.Builder
	fields := slices.Clone(keyFields(s.kind))
	slices.Reverse(fields) // whose order does not matter
	fmt.Fprintln(&out, strings.Join(fields.Names(), ","))
	for _, user := range users {
		var cells []string
		for _, f := range fields {
			v := event{user: user}.value(f.Name)
			if f.Type == feature.String {
				cells = append(cells, v.Text())
			} else {
				cells = append(cells, fmt.Sprint(v.Int64()))
			}
		}
		fmt.Fprintln(&out, strings.Join(cells, ","))
	}
	return out.String()
}

func (s *scene) stage(r erase.Request, users ...int) erase.Staged {
	s.t.Helper()
	r.Workspace, r.View = "prod", "spending"
	file := s.csv(users...)
	staged, err := s.engine.Stage(s.t.Context(), r, strings.NewReader(file), int64(len(file)), frame.CSV)
	require.NoError(s.t, err)
	return staged
}
