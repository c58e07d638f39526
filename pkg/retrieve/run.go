package retrieve

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/apache/arrow/go/v15/arrow"

	"github.com/tilery/tilery/pkg/feature"
	"github.com/tilery/tilery/pkg/materialize"
	"github.com/tilery/tilery/pkg/window"
)

var (
	// ErrRun is a run that does not fit its view. Its text is for the one who asked.
	ErrRun = errors.New("run")
	// ErrRunTooLarge is a run with more rows or tiles than one may have.
	ErrRunTooLarge = errors.New("run is too large")
)

// Bounds of a run, which is for looking at, not for storing.
const (
	maxRunRows  = 1_000_000 // of the result, and tiles
	maxRunBytes = 512 << 20 // of tiles that are in memory
	maxRunDays  = 100 * 366 // of the range
	day         = 24 * time.Hour
)

// Level is the stage up to which a run computes a view with aggregations.
type Level string

// The levels. Windows of a LevelFull end where a tile does.
const (
	LevelDisabled Level = "disabled" // what the SQL returns
	LevelPartial  Level = "partial"  // tiles
	LevelFull     Level = "full"     // features
)

// RunRequest asks what a view makes of a range of time.
type RunRequest struct {
	// Start and End are the range. With one of them the other is a batch schedule away,
	// with none it is the newest window whose data is complete.
	Start, End *window.Time
	Level      Level // empty: full, or of a view without aggregations its rows
	// Mocks are data in place of sources, by name. Sources without one are read.
	Mocks map[string]Mock
}

// Run is a view's computation over a range, of which nothing is stored. The SQL runs
// once for all of it, as if it were a window. All that the range holds counts, and
// nothing else: neither feature_start_time nor lifetime_start_time is looked at, and
// windows that begin before the range are made of what lies in it.
type Run struct {
	Schema   feature.Schema // of the result
	Interval window.Interval
	Warnings []string // of what the range does to the result

	target *materialize.Target
	level  Level
	mocks  map[string]Mock
}

// NewRun prepares a run as of now. The result's columns are
//
//   - of rows, those that the SQL returns;
//   - of tiles, the keys, tile_start_time, tile_end_time, and of each partial state
//     {column}_{state}_{interval}, for instance amount_sum_1d: a mean is a sum and a
//     count. Of exact sums it is the nearest number; sketches and the times of values
//     are left out, since nobody could read them. The last tile ends with the range;
//   - of features, the join keys, timestamp, and the features, for each key and each
//     end of a tile of it.
func NewRun(target *materialize.Target, r RunRequest, now window.Time) (*Run, error) {
	if target.View.Ingested {
		return nil, fmt.Errorf("%w: %s is a feature table, which has nothing to run: its rows are ingested", ErrRun, target.View.Name)
	}
	run := &Run{target: target, level: r.Level, mocks: r.Mocks}
	var err error
	if run.Interval, err = runInterval(target.View, r.Start, r.End, now); err != nil {
		return nil, err
	}
	if run.level, err = runLevel(target.View, r.Level); err != nil {
		return nil, err
	}
	if err := checkMocks(target.View, r.Mocks); err != nil {
		return nil, err
	}
	switch run.level {
	case LevelPartial:
		run.Schema, err = partialSchema(target)
	case LevelFull:
		run.Schema, err = fullSchema(target)
	default:
		run.Schema = target.View.Schema
	}
	if err != nil {
		return nil, err
	}
	if err := distinct(run.Schema); err != nil {
		return nil, fmt.Errorf("%w: view %s: %w", ErrRun, target.View.Name, err)
	}
	run.warn()
	return run, nil
}

func runInterval(view feature.View, start, end *window.Time, now window.Time) (window.Interval, error) {
	schedule := view.Schedule()
	out := window.Interval{End: view.CompleteEnd(now)}
	switch {
	case end != nil:
		out.End = *end
	case start != nil:
		out.End = start.Add(schedule)
	}
	if out.Start = out.End.Add(-schedule); start != nil {
		out.Start = *start
	}
	switch {
	case out.Empty():
		return out, fmt.Errorf("%w: start_time %v is not before end_time %v", ErrRun, out.Start, out.End)
	case out.Start < window.MinTime || out.End > window.MaxTime || out.Count(day) > maxRunDays:
		return out, fmt.Errorf("%w: %v is longer than %d days", ErrRun, out, maxRunDays)
	}
	return out, nil
}

func runLevel(view feature.View, level Level) (Level, error) {
	switch {
	case level != "" && !view.Aggregated():
		return "", fmt.Errorf("%w: aggregation_level is %q, and view %s has no aggregations: leave it out", ErrRun, level, view.Name)
	case !view.Aggregated():
		return LevelDisabled, nil
	}
	switch level {
	case "":
		return LevelFull, nil
	case LevelDisabled, LevelPartial, LevelFull:
		return level, nil
	}
	return "", fmt.Errorf("%w: aggregation_level %q is unknown, want one of %s, %s, %s", ErrRun, level, LevelDisabled, LevelPartial, LevelFull)
}

func distinct(columns feature.Schema) error {
	seen := map[string]bool{}
	for _, c := range columns {
		if seen[c.Name] {
			return fmt.Errorf("two columns of the result are called %q, take another aggregation_level", c.Name)
		}
		seen[c.Name] = true
	}
	return nil
}

// warn says where the range is too short or too odd for its tiles and windows.
func (r *Run) warn() {
	if r.level == LevelDisabled {
		return
	}
	view := r.target.View
	if span := materialize.TileSpan(view, r.Interval); span != r.Interval {
		r.Warnings = append(r.Warnings, fmt.Sprintf("%v is no multiple of the aggregation_interval %s: the first tile, from %v on, lacks what is before start_time",
			r.Interval, view.AggregationInterval, span.Start))
	}
	if reach := view.Reach(); r.level == LevelFull && r.Interval.End.Sub(r.Interval.Start) < reach {
		r.Warnings = append(r.Warnings, fmt.Sprintf("%v is shorter than the %s that the longest window needs: it lacks what is before start_time",
			r.Interval, feature.Duration(reach)))
	}
}

// Do carries the run out and hands the result to fn, as records of the Schema that are
// valid until fn returns: rows in the order of the SQL's, tiles and features by key and
// time. It returns the number of rows. Beside those of Engine.Rows, errors are ErrRun
// for a mock that does not fit its source, and ErrRunTooLarge.
func (r *Run) Do(ctx context.Context, e *materialize.Engine, fn func(arrow.Record) error) (rows int64, err error) {
	alone := materialize.Alone{Interval: r.Interval}
	if len(r.mocks) > 0 {
		staged, err := stageMocks(r.target.View, r.mocks, e.Options.ScratchDir)
		if err != nil {
			return 0, err
		}
		defer func() { err = errors.Join(err, staged.remove()) }()
		alone.Mocks = staged.files
	}
	counted := func(rec arrow.Record) error {
		if rows += rec.NumRows(); rows > maxRunRows {
			return fmt.Errorf("%w: it has more than %d rows, take a shorter range", ErrRunTooLarge, maxRunRows)
		}
		return fn(rec)
	}
	switch r.level {
	case LevelPartial:
		err = e.Tiles(ctx, r.target, alone, func(rec arrow.Record) error { return r.partial(rec, counted) })
	case LevelFull:
		err = r.full(ctx, e, alone, counted)
	default:
		err = e.Rows(ctx, r.target, alone, r.Schema, counted)
	}
	return rows, err
}
