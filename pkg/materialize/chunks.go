package materialize

import (
	"context"
	"time"

	"github.com/tilery/tilery/pkg/transform"
	"github.com/tilery/tilery/pkg/window"
)

const (
	// backfillBuilds is how many calls of Build a backfill is split into by default.
	backfillBuilds = 10
	// maxBuildWindows bounds one call of Build, whose results are committed together.
	maxBuildWindows = 512
)

// WindowsPerBuild returns how many windows one call of Build takes for a job of so
// many, and whether one run of the SQL computes them. The unit of transformation
// is a window; only SQL that works row by row gives the same result for many at
// once, however the range is split. By default such a job is ten calls.
func (e *Engine) WindowsPerBuild(ctx context.Context, t *Target, windows int) (n int, oneRun bool, err error) {
	n = (windows + backfillBuilds - 1) / backfillBuilds
	if limit := time.Duration(t.View.MaxBackfillInterval); limit > 0 {
		n = int(limit / t.View.Schedule())
	}
	n = min(n, windows, maxBuildWindows)
	if n <= 1 || t.View.IncrementalBackfills || len(t.View.Sources) != 1 || t.View.Sources[0].StartTimeOffset != 0 {
		return 1, false, nil
	}
	source := t.View.Sources[0]
	description, err := e.Transform.Describe(ctx, t.View.Transformation, []transform.Table{
		{Name: source.Name, Schema: source.Schema, TimestampField: source.BatchConfig.TimestampField},
	})
	if err != nil {
		return 0, false, err
	}
	if !description.RowWise || description.UsesBounds {
		return 1, false, nil
	}
	return n, true, nil
}

// OnlineStart returns where the time begins that serving needs at now: the longest
// window, or else the ttl, before the end of complete data. A view whose rows never
// expire is served whole.
func (t *Target) OnlineStart(now window.Time) window.Time {
	return t.onlineStart(t.View.CompleteEnd(now))
}

// onlineStart is OnlineStart for data that is complete up to end.
func (t *Target) onlineStart(end window.Time) window.Time {
	if t.View.Aggregated() {
		return t.View.WindowsStart(end).Floor(t.View.Schedule())
	}
	reach := time.Duration(t.View.TTL)
	if reach == 0 {
		return min(t.View.MaterializationStart(), end)
	}
	return end.Add(-reach).Floor(t.View.Schedule())
}
