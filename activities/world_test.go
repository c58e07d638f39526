package activities_test

import (
	"context"
	"testing"
	"time"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/testsuite"

	"github.com/tilery/tilery/activities"
	"github.com/tilery/tilery/pkg/bucket/file"
	"github.com/tilery/tilery/pkg/clock"
	"github.com/tilery/tilery/pkg/feature"
	"github.com/tilery/tilery/pkg/feature/repository"
	"github.com/tilery/tilery/pkg/ledger"
	"github.com/tilery/tilery/pkg/materialize"
	"github.com/tilery/tilery/pkg/offline/delta"
	"github.com/tilery/tilery/pkg/online/pebble"
	"github.com/tilery/tilery/pkg/registry"
	"github.com/tilery/tilery/pkg/source"
	"github.com/tilery/tilery/pkg/transform"
	"github.com/tilery/tilery/pkg/transform/duckdb"
	"github.com/tilery/tilery/pkg/window"
)

const definitions = `
kind: Entity
name: airport
join_keys: [{name: origin, type: String}]
---
kind: BatchSource
name: flights
batch_config: {uri: data/flights-*.parquet, file_format: parquet, timestamp_field: date}
schema:
  - {name: date, type: Timestamp}
  - {name: delay, type: Int64}
  - {name: origin, type: String}
---
kind: BatchFeatureView
name: delays
entities: [airport]
sources: [flights]
mode: sql
transformation: delays.sql
timestamp_field: date
feature_start_time: 2001-01-02
batch_schedule: 1d
aggregation_interval: 1d
aggregations: [{column: delay, function: count, time_window: 1d}]
online: true
offline: true
`

// world is the engine over temporary directories, with the view "delays" of the
// workspace "prod" applied, at the end of January 2001.
type world struct{ materialize *activities.Materialize }

func newWorld(t *testing.T) *world {
	t.Helper()
	bucket, err := file.Open(t.TempDir())
	require.NoError(t, err)
	sources, err := source.NewLocal("../examples/flights")
	require.NoError(t, err)
	cells, err := pebble.Open(t.TempDir(), pebble.Options{})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, cells.Close()) })
	w := &world{&activities.Materialize{
		Engine: &materialize.Engine{
			Bucket: bucket, Registry: registry.New(bucket), Sources: sources, Transform: duckdb.Engine{}, Ledger: ledger.New(bucket),
			Offline: delta.New(bucket, delta.Options{ScratchDir: t.TempDir()}), Online: cells,
			Options: materialize.Options{ScratchDir: t.TempDir()},
		},
		Clock: clock.Fixed(instant("2001-02-01")),
	}}
	w.apply(t, "prod", 0, definitions)
	return w
}

// apply puts definitions in the place of a generation.
func (w *world) apply(t *testing.T, workspace string, base int64, definitions string) {
	t.Helper()
	planner := registry.Planner{Registry: w.materialize.Engine.Registry, Engine: duckdb.Engine{}}
	plan, err := planner.Plan(t.Context(), workspace, []repository.File{
		{Path: "features.yaml", Content: definitions},
		{Path: "delays.sql", Content: "SELECT origin, date, delay FROM flights"},
	})
	require.NoError(t, err)
	_, err = planner.Registry.Apply(t.Context(), workspace, base, plan.Repository, instant("2001-02-01"))
	require.NoError(t, err)
}

func instant(text string) window.Time {
	t, err := window.Parse(text)
	if err != nil {
		panic(err) //nolint:forbidigo // a constant of the test
	}
	return t
}

func day(text string) window.Interval {
	start := instant(text)
	return window.Interval{Start: start, End: start.Add(24 * time.Hour)}
}

var target = activities.Target{Workspace: "prod", View: "delays"}

// environment runs the activities as a worker would.
func (w *world) environment() *testsuite.TestActivityEnvironment {
	suite := testsuite.WorkflowTestSuite{}
	suite.SetLogger(quiet{})
	env := suite.NewTestActivityEnvironment()
	env.SetExecuteActivitiesInWorkflow(true)
	env.RegisterActivity(w.materialize)
	return env
}

// execute runs one activity and decodes its result.
func execute[Result any](t *testing.T, env *testsuite.TestActivityEnvironment, name string, request any) Result {
	t.Helper()
	value, err := env.ExecuteActivity(name, request)
	require.NoError(t, err)
	var result Result
	require.NoError(t, value.Get(&result))
	return result
}

// sourceFunc is a source.Batch.
type sourceFunc func(ctx context.Context) (source.Files, error)

func (f sourceFunc) Files(ctx context.Context, _ feature.BatchSource, _ window.Interval) (source.Files, error) {
	return f(ctx)
}

func (f sourceFunc) Scan(ctx context.Context, _ feature.BatchSource, _ window.Interval) (source.Scan, error) {
	_, err := f(ctx)
	return source.Scan{}, err
}

// runFunc is a transform.Engine whose results have no rows.
type runFunc func(ctx context.Context, report func(transform.Progress)) error

func (f runFunc) Describe(context.Context, string, []transform.Table) (transform.Description, error) {
	return transform.Description{}, nil
}

func (f runFunc) Run(ctx context.Context, q transform.Query, _ func(arrow.Record) error) (transform.Stats, error) {
	return transform.Stats{}, f(ctx, q.OnProgress)
}

// quiet drops the SDK's log.
type quiet struct{}

func (quiet) Debug(string, ...any) {}
func (quiet) Info(string, ...any)  {}
func (quiet) Warn(string, ...any)  {}
func (quiet) Error(string, ...any) {}
