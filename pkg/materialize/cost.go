package materialize

import (
	"context"
	"fmt"
	"time"

	"github.com/tilery/tilery/pkg/feature"
	"github.com/tilery/tilery/pkg/transform"
	"github.com/tilery/tilery/pkg/window"
)

// maxBackfills bounds how many ranges a Cost lists.
const maxBackfills = 20

// CostRequest asks what materializing a view would take.
type CostRequest struct {
	Target *Target
	// Before is the view as it was; nil if it is new. Then what its store misses is
	// no consequence of the change, and only what the change adds counts.
	Before *feature.View
	SQL    transform.Description
	Now    window.Time
}

// Cost is what the missing windows of a view take. What is estimated says so.
type Cost struct {
	View    string          `json:"view"`
	Wanted  window.Interval `json:"wanted"`  // all that is complete and asked for
	Windows int             `json:"windows"` // that are missing
	Queries int             `json:"queries"` // runs of the SQL for them
	// Backfills are the missing ranges, oldest first, at most 20; each is cut where the
	// part begins that serving needs.
	Backfills []Backfill `json:"backfills"`
	// PerWindow says why each window takes a run of its own; empty if it does not.
	PerWindow    string       `json:"per_window,omitempty"`
	Scan         ScanCost     `json:"scan"`
	OnlineWrites OnlineWrites `json:"online_writes"`
	// Incremental is nil for a view that no schedule starts.
	Incremental *Incremental `json:"incremental,omitempty"`
	Warnings    []string     `json:"warnings,omitempty"`
}

// Backfill is a range of missing windows with the same destination.
type Backfill struct {
	Range   window.Interval `json:"range"`
	Windows int             `json:"windows"`
	Queries int             `json:"queries"`
	Online  bool            `json:"online"` // to both stores, else to the offline store
}

// ScanCost is what the queries read of their sources, each counted as often as it
// is read.
type ScanCost struct {
	Files     int   `json:"files"` // different ones
	Rows      int64 `json:"rows"`
	Bytes     int64 `json:"bytes"`
	RowsKnown bool  `json:"rows_known"` // else Rows leaves out files that do not tell theirs
	Estimated bool  `json:"estimated"`  // from some of the queries
}

// OnlineWrites bounds the writes of cells.
type OnlineWrites struct {
	AtMost int64 `json:"at_most"`
	Known  bool  `json:"known"`
	// How says what the bound is made of, or why there is none.
	How string `json:"how"`
}

// Incremental is what a view's schedule starts.
type Incremental struct {
	Every  feature.Duration `json:"every"`
	Delay  feature.Duration `json:"delay"` // after the end of a window
	Online bool             `json:"online"`
}

// queries are the runs of the SQL over one range, each of the same length but the last.
type queries struct {
	Range  window.Interval
	length time.Duration
}

func (q queries) count() int {
	return int((q.Range.End.Sub(q.Range.Start) + q.length - 1) / q.length)
}

func (q queries) at(i int) window.Interval {
	start := q.Range.Start.Add(time.Duration(i) * q.length)
	return window.Interval{Start: start, End: min(start.Add(q.length), q.Range.End)}
}

// Cost tells what the windows take that the view wants and its store does not
// cover. It writes nothing, not even the table of a new store. What cannot be told
// of a source becomes a warning.
func (e *Engine) Cost(ctx context.Context, r CostRequest) (Cost, error) {
	view := r.Target.View
	cost := Cost{
		View: view.Name, Backfills: []Backfill{},
		Wanted: window.Interval{Start: view.MaterializationStart(), End: view.MaterializationEnd(r.Now)},
	}
	if !view.Offline {
		cost.Warnings = append(cost.Warnings, "offline is false, so there is no store to materialize to")
		return cost, nil
	}
	if view.BatchTrigger != feature.Manual {
		cost.Incremental = &Incremental{feature.Duration(view.Schedule()), feature.Duration(view.DataDelay()), view.Online}
	}
	missing, err := e.missing(ctx, r, cost.Wanted)
	if err != nil {
		return Cost{}, err
	}
	runs, err := backfills(ctx, r, missing, &cost)
	if err != nil {
		return Cost{}, err
	}
	if cost.Queries == cost.Windows && cost.Windows > 1 {
		cost.PerWindow = perWindow(view, r.SQL)
	}
	if err := e.scanCost(ctx, view, runs, &cost); err != nil {
		return Cost{}, err
	}
	return cost, e.onlineWrites(ctx, r, missing, &cost)
}

// missing returns what is wanted and not covered, of a view that stays only what
// the change adds.
func (e *Engine) missing(ctx context.Context, r CostRequest, wanted window.Interval) (window.Set, error) {
	missing := window.NewSet(wanted)
	if before := r.Before; before != nil {
		missing = missing.Subtract(window.NewSet(window.Interval{Start: before.MaterializationStart(), End: before.MaterializationEnd(r.Now)}))
	}
	if len(missing) == 0 {
		return nil, nil
	}
	covered, err := e.covered(ctx, r.Target, r.Now)
	return missing.Subtract(covered), err
}

// backfills cuts the missing ranges where the part begins that serving needs, and
// counts their queries.
func backfills(ctx context.Context, r CostRequest, missing window.Set, cost *Cost) ([]queries, error) {
	view, tail := r.Target.View, cost.Wanted.End
	if view.Online {
		tail = r.Target.OnlineStart(r.Now)
	}
	planner := &Engine{Transform: described{sql: r.SQL}} // asks no SQL engine once more for each range
	var runs []queries
	for _, gap := range missing {
		perBuild, oneRun, err := planner.WindowsPerBuild(ctx, r.Target, gap.Count(view.Schedule()))
		if err != nil {
			return nil, fmt.Errorf("cost of %s: %w", view.Name, err)
		}
		if !oneRun {
			perBuild = 1
		}
		for _, part := range []struct {
			window.Interval
			online bool
		}{
			{window.Interval{Start: gap.Start, End: min(gap.End, tail)}, false},
			{window.Interval{Start: max(gap.Start, tail), End: gap.End}, true},
		} {
			if part.Empty() {
				continue
			}
			run := queries{part.Interval, time.Duration(perBuild) * view.Schedule()}
			runs = append(runs, run)
			cost.add(Backfill{part.Interval, part.Count(view.Schedule()), run.count(), part.online})
		}
	}
	if more := len(runs) - len(cost.Backfills); more > 0 {
		cost.Warnings = append(cost.Warnings, fmt.Sprintf("%d more ranges are missing than are listed", more))
	}
	return runs, nil
}

// described is an SQL engine that knows one statement.
type described struct {
	transform.Engine
	sql transform.Description
}

// Describe implements transform.Engine.
func (d described) Describe(context.Context, string, []transform.Table) (transform.Description, error) {
	return d.sql, nil
}

func (c *Cost) add(b Backfill) {
	c.Windows += b.Windows
	c.Queries += b.Queries
	if len(c.Backfills) < maxBackfills {
		c.Backfills = append(c.Backfills, b)
	}
}

// perWindow says why no query takes several windows.
func perWindow(view feature.View, sql transform.Description) string {
	switch {
	case view.IncrementalBackfills:
		return "incremental_backfills is true"
	case sql.NotRowWise != "":
		return "the SQL is not row-wise: " + sql.NotRowWise
	case len(view.Sources) == 1 && view.Sources[0].StartTimeOffset != 0:
		return "the SQL sees what lies before a window (start_time_offset)"
	}
	return ""
}
