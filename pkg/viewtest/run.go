package viewtest

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"time"

	"github.com/apache/arrow/go/v15/arrow"

	"github.com/tilery/tilery/pkg/feature"
	"github.com/tilery/tilery/pkg/record"
	"github.com/tilery/tilery/pkg/transform"
	"github.com/tilery/tilery/pkg/window"
)

// Bounds of one run.
const (
	maxWindows   = 1_000
	maxRows      = 10_000 // that the SQL returns
	maxShown     = 10     // differences
	memoryBytes  = 256 << 20
	maxRunPeriod = time.Minute
)

// Result is what became of a test.
type Result struct {
	View, Test  string
	Differences []string // none: it passed
}

// RunAll runs the tests of every view of a repository, whose views have their
// Schema, in order, and calls each with every result.
func RunAll(ctx context.Context, engine transform.Engine, r *feature.Repository, each func(Result)) error {
	for _, definition := range r.BatchFeatureViews {
		if len(definition.Tests) == 0 {
			continue
		}
		view, err := r.View(definition.Name)
		if err != nil {
			return err
		}
		for _, test := range view.Tests {
			differences, err := Run(ctx, engine, view, test)
			if err != nil {
				return fmt.Errorf("test %q of %s: %w", test.Name, view.Name, err)
			}
			each(Result{view.Name, test.Name, differences})
		}
	}
	return nil
}

// Run runs one test of a view that has its Schema, within a minute, and returns
// how what the view makes of the mocks differs from what the test expects.
func Run(ctx context.Context, engine transform.Engine, view feature.View, test feature.ViewTest) (differences []string, err error) {
	ctx, cancel := context.WithTimeout(ctx, maxRunPeriod)
	defer cancel()
	dir, err := os.MkdirTemp("", "viewtest-*")
	if err != nil {
		return nil, fmt.Errorf("make a folder for mocks: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()

	r := &run{engine: engine, view: view, test: test, dir: dir}
	if err := r.everything(ctx); err != nil {
		return nil, err
	}
	if more := len(r.differences) - maxShown; more > 0 {
		r.differences = append(r.differences[:maxShown], fmt.Sprintf("and %d more differences", more))
	}
	return r.differences, nil
}

// run is one run of a test.
type run struct {
	engine transform.Engine
	view   feature.View
	test   feature.ViewTest
	dir    string

	mocks       []mock
	columns     feature.Schema // of rows
	rows        []row
	differences []string
}

// row is a row of the result.
type row struct {
	values    []feature.Value
	at        window.Time
	canonical []byte // of what follows the timestamp: orders rows of one time
}

func (r *run) differ(format string, args ...any) {
	r.differences = append(r.differences, fmt.Sprintf(format, args...))
}

// errFault ends a run whose difference is said.
var errFault = errors.New("the test is at fault")

func (r *run) fault(format string, args ...any) error {
	r.differ(format, args...)
	return errFault
}

func (r *run) everything(ctx context.Context) error {
	steps := []func(context.Context) error{r.writeMocks, r.transform, r.compareRows, r.compareFeatures}
	for _, step := range steps {
		err := step(ctx)
		switch {
		case errors.Is(err, errFault):
			return nil
		case errors.Is(err, transform.ErrSQL):
			r.differ("%v", err)
			return nil
		case err != nil:
			return err
		}
	}
	return nil
}

// transform runs the SQL for each window of the range.
func (r *run) transform(ctx context.Context) error {
	var err error
	if r.columns, err = r.view.OutputSchema(); err != nil {
		return err
	}
	span, err := r.span()
	if err != nil {
		return err
	}
	if n := span.Count(r.view.Schedule()); n > maxWindows {
		return r.fault("%v has %d windows of %s, at most %d are run: give start_time and end_time", span, n, feature.Duration(r.view.Schedule()), maxWindows)
	}
	for _, w := range span.Split(r.view.Schedule()) {
		if err := r.window(ctx, w); err != nil {
			return err
		}
	}
	return nil
}

// span returns the windows to run.
func (r *run) span() (window.Interval, error) {
	span := window.Interval{Start: r.test.StartTime, End: r.test.EndTime}
	times := r.mockTimes()
	if (span.Start == 0 || span.End == 0) && len(times) == 0 {
		return span, r.fault("the mocks have no rows with a timestamp: give start_time and end_time")
	}
	if span.Start == 0 {
		span.Start = times[0].Floor(r.view.Schedule())
	}
	if span.End == 0 {
		span.End = times[len(times)-1].Add(time.Microsecond).Ceil(r.view.Schedule())
	}
	if span.Empty() || !span.Aligned(r.view.Schedule()) {
		return span, r.fault("start_time and end_time give %v, want whole windows of %s", span, feature.Duration(r.view.Schedule()))
	}
	return span, nil
}

func (r *run) window(ctx context.Context, w window.Interval) error {
	tables := make([]transform.Table, len(r.mocks))
	for i, m := range r.mocks {
		tables[i] = m.table(w)
	}
	_, err := r.engine.Run(ctx, transform.Query{
		SQL: r.view.Transformation, Tables: tables, Output: r.columns, TimestampField: r.view.TimestampField, Interval: w,
		Limits: transform.Limits{MemoryBytes: memoryBytes, Threads: 1, TempDir: r.dir},
	}, r.keep)
	return err
}

// keep takes the rows of a record.
func (r *run) keep(rec arrow.Record) error {
	at := slices.IndexFunc(r.columns, func(f feature.Field) bool { return f.Name == r.view.TimestampField })
	all, err := record.NewRowEncoder(r.columns, rec.Columns())
	if err != nil {
		return err
	}
	rest, err := record.NewRowEncoder(r.columns[at+1:], rec.Columns()[at+1:])
	if err != nil {
		return err
	}
	var encoded []byte
	for i := range int(rec.NumRows()) {
		if len(r.rows) == maxRows {
			return r.fault("the SQL returns more than %d rows", maxRows)
		}
		encoded = all.Append(encoded[:0], i)
		values, err := record.DecodeRow(nil, encoded, r.columns)
		if err != nil {
			return fmt.Errorf("row %d of the result: %w", i, err)
		}
		r.rows = append(r.rows, row{values, values[at].Timestamp(), rest.Append(nil, i)})
	}
	return nil
}
