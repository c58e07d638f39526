package materialize

import (
	"context"
	"errors"
	"fmt"

	"github.com/tilery/tilery/pkg/feature"
	"github.com/tilery/tilery/pkg/source"
	"github.com/tilery/tilery/pkg/window"
)

// maxScans bounds for how many queries of a view sources are asked what they
// would read. Of more, as many in equal distances stand for the others.
const maxScans = 64

// scanCost sums up what the queries read.
func (e *Engine) scanCost(ctx context.Context, view feature.View, runs []queries, cost *Cost) error {
	cost.Scan.RowsKnown = true
	if cost.Queries == 0 {
		return nil
	}
	whole := window.Interval{Start: runs[0].Range.Start, End: runs[len(runs)-1].Range.End}
	sampled := min(cost.Queries, maxScans)
	cost.Scan.Estimated = sampled < cost.Queries
	for _, s := range view.Sources {
		all, err := e.Sources.Scan(ctx, s.BatchSource, s.Visible(whole))
		if err == nil {
			cost.Scan.Files += all.Files
			err = e.scanQueries(ctx, s, runs, sampled, cost)
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err != nil {
			cost.Scan.RowsKnown = false
			cost.Warnings = append(cost.Warnings, unreadable(s, err))
		}
	}
	return nil
}

func unreadable(s feature.Source, err error) string {
	if errors.Is(err, source.ErrNoFiles) {
		return err.Error()
	}
	return fmt.Sprintf("what source %s costs cannot be told: %v", s.Name, err)
}

// scanQueries adds what the queries read of one source, judged by some of them.
func (e *Engine) scanQueries(ctx context.Context, s feature.Source, runs []queries, sampled int, cost *Cost) error {
	var sum source.Scan
	for i := range sampled {
		// The middle of the i-th of equal parts.
		at := (2*i + 1) * cost.Queries / (2 * sampled)
		scan, err := e.Sources.Scan(ctx, s.BatchSource, s.Visible(nth(runs, at)))
		if err != nil {
			return err
		}
		sum.Rows += scan.Rows
		sum.Bytes += scan.Bytes
		cost.Scan.RowsKnown = cost.Scan.RowsKnown && scan.RowsKnown
	}
	scale := func(n int64) int64 { return int64(float64(n) * float64(cost.Queries) / float64(sampled)) }
	cost.Scan.Rows += scale(sum.Rows)
	cost.Scan.Bytes += scale(sum.Bytes)
	return nil
}

func nth(runs []queries, i int) window.Interval {
	for _, r := range runs {
		if i < r.count() {
			return r.at(i)
		}
		i -= r.count()
	}
	return window.Interval{}
}

// onlineWrites bounds the cells that are written: a row of the result lies in one
// cell, and SQL that is row-wise returns no more rows than it reads.
func (e *Engine) onlineWrites(ctx context.Context, r CostRequest, missing window.Set, cost *Cost) error {
	view := r.Target.View
	if !view.Online {
		cost.OnlineWrites = OnlineWrites{Known: true, How: "the view has online: false"}
		return nil
	}
	online := missing.Intersect(window.NewSet(window.Interval{Start: r.Target.OnlineStart(r.Now), End: cost.Wanted.End}))
	switch {
	case len(online) == 0:
		cost.OnlineWrites = OnlineWrites{Known: true, How: "no missing window is served"}
		return nil
	case !r.SQL.RowWise || len(view.Sources) != 1:
		cost.OnlineWrites.How = "how many rows the SQL returns is not known before it runs"
		return nil
	}
	span := window.Interval{Start: online[0].Start, End: online[len(online)-1].End}
	scan, err := e.Sources.Scan(ctx, view.Sources[0].BatchSource, span)
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case err != nil || !scan.RowsKnown:
		cost.OnlineWrites.How = "how many rows the source has is not known before it is read"
	default:
		cost.OnlineWrites = OnlineWrites{scan.Rows, true, fmt.Sprintf("one for each row of %s from %v to %v", view.Sources[0].Name, span.Start, span.End)}
	}
	return nil
}
