package materialize_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tilery/tilery/pkg/feature"
	"github.com/tilery/tilery/pkg/materialize"
	"github.com/tilery/tilery/pkg/offline"
	"github.com/tilery/tilery/pkg/source"
	"github.com/tilery/tilery/pkg/transform"
	"github.com/tilery/tilery/pkg/transform/duckdb"
	"github.com/tilery/tilery/pkg/window"
)

// hourly is a source with a row of 100 bytes every hour and a file every day.
type hourly struct {
	source.Batch
	scans *int
	err   error
}

func (h hourly) Scan(_ context.Context, _ feature.BatchSource, i window.Interval) (source.Scan, error) {
	*h.scans++
	rows := int64(max(i.Start, start.Add(-1000*day)).Ceil(hour).Sub(i.End.Ceil(hour)) / -hour)
	days := window.Interval{Start: i.Start.Floor(day), End: i.End.Ceil(day)}
	return source.Scan{Files: days.Count(day), Rows: rows, Bytes: 100 * rows, RowsKnown: true}, h.err
}

// priced is a scene whose store is not there yet.
type priced struct {
	*scene
	scans  int
	source *hourly
}

func newPriced(t *testing.T) *priced {
	t.Helper()
	t.Parallel()
	p := &priced{scene: newScene(t, newView(hour, day, 7*day))}
	p.source = &hourly{scans: &p.scans}
	p.engine.Sources = p.source
	return p
}

// view starts its tiles at start+7d - 7d.
func (p *priced) view(change func(*feature.View)) feature.View {
	v := newView(hour, day, 7*day)
	v.Name = "priced"
	v.FeatureStartTime = start.Add(7 * day)
	v.Sources[0].Name = "events"
	if change != nil {
		change(&v)
	}
	return v
}

func (p *priced) cost(view feature.View, before *feature.View, now time.Duration) materialize.Cost {
	p.t.Helper()
	sql, err := duckdb.Engine{}.Describe(p.t.Context(), view.Transformation, []transform.Table{
		{Name: "events", Schema: eventSchema, TimestampField: "ts"}})
	require.NoError(p.t, err)
	cost, err := p.engine.Cost(p.t.Context(), materialize.CostRequest{Target: newTarget(p.t, view), Before: before, SQL: sql, Now: start.Add(now)})
	require.NoError(p.t, err)
	return cost
}

func TestCostOfANewView(t *testing.T) {
	p := newPriced(t)
	require.Equal(t, materialize.Cost{
		View: "priced", Wanted: span(0, 107*day), Windows: 107, Queries: 11,
		Backfills: []materialize.Backfill{
			{Range: span(0, 100*day), Windows: 100, Queries: 10},
			{Range: span(100*day, 107*day), Windows: 7, Queries: 1, Online: true},
		},
		Scan:         materialize.ScanCost{Files: 107, Rows: 107 * 24, Bytes: 107 * 2400, RowsKnown: true},
		OnlineWrites: materialize.OnlineWrites{AtMost: 7 * 24, Known: true, How: "one for each row of events from 2001-04-14T00:00:00Z to 2001-04-21T00:00:00Z"},
		Incremental:  &materialize.Incremental{Every: feature.Duration(day), Online: true},
	}, p.cost(p.view(nil), nil, 107*day+hour))
}

func TestCostFollowsTheDefinition(t *testing.T) {
	p := newPriced(t)
	for name, c := range map[string]struct {
		change    func(*feature.View)
		queries   int
		perWindow string
		online    string
		rows      int64
	}{
		"max_backfill_interval": {func(v *feature.View) { v.MaxBackfillInterval = feature.Duration(30 * day) }, 5, "", "one for each row", 107 * 24},
		"incremental_backfills": {func(v *feature.View) { v.IncrementalBackfills = true }, 107, "incremental_backfills is true", "one for each row", 107 * 24},
		"not row-wise": {func(v *feature.View) { v.Transformation = "SELECT DISTINCT * FROM events" }, 107, "the SQL is not row-wise: ",
			"how many rows the SQL returns is not known before it runs", 107 * 24},
		"look-back": {func(v *feature.View) { v.Sources[0].StartTimeOffset = feature.Offset(-day) }, 107, "the SQL sees what lies before a window",
			"one for each row", 2 * 107 * 24},
		"unbounded look-back": {func(v *feature.View) { v.Sources[0].StartTimeOffset = feature.Unbounded }, 107, "the SQL sees", "one for each row", 24 * (107*1000 + 107*108/2)},
		"offline alone":       {func(v *feature.View) { v.Online = false }, 10, "", "the view has online: false", 107 * 24},
	} {
		cost := p.cost(p.view(c.change), nil, 107*day)
		require.Equal(t, 107, cost.Windows, name)
		require.Equal(t, c.queries, cost.Queries, name)
		require.Contains(t, cost.PerWindow, c.perWindow, name)
		require.Equal(t, c.perWindow == "", cost.PerWindow == "", name)
		require.Contains(t, cost.OnlineWrites.How, c.online, name)
		require.InEpsilon(t, c.rows, cost.Scan.Rows, 0.001, name)
	}
}

func TestCostOfAViewThatNobodySchedules(t *testing.T) {
	p := newPriced(t)
	cost := p.cost(p.view(func(v *feature.View) { v.BatchTrigger = feature.Manual }), nil, 20*day)
	require.Nil(t, cost.Incremental)
	require.Equal(t, 20, cost.Windows)
	cost = p.cost(p.view(func(v *feature.View) { v.Offline = false }), nil, 20*day)
	require.Zero(t, cost.Windows)
	require.Equal(t, []string{"offline is false, so there is no store to materialize to"}, cost.Warnings)
	require.Zero(t, p.cost(p.view(nil), nil, 0).Windows, "nothing is complete yet")
}

func TestCostCreatesNoStore(t *testing.T) {
	p := newPriced(t)
	view := p.view(nil)
	p.cost(view, nil, 20*day)
	for info, err := range p.bucket.List(t.Context(), "offline/"+newTarget(t, view).Store()+"/", "") {
		require.NoError(t, err)
		require.Failf(t, "plans write nothing", "there is %s", info.Key)
	}
}

func TestCostLeavesOutWhatIsCoveredAlready(t *testing.T) {
	s := newPriced(t)
	view := newView(hour, day, day)
	view.Sources[0].BatchConfig.URI = "none-*.parquet"
	view.Name, view.FeatureStartTime = "filled", start.Add(day)
	s.target = newTarget(t, view)
	var err error
	s.table, err = s.engine.Table(t.Context(), s.target, start)
	require.NoError(t, err)
	for _, d := range []time.Duration{2, 3, 9} {
		s.engine.Sources, s.engine.Transform = noFiles{}, memoryEngine{new([]event)}
		s.run(span(d*day, (d+1)*day))
	}
	s.engine.Sources, s.engine.Transform = s.source, duckdb.Engine{}
	cost := s.cost(view, nil, 10*day)
	require.Equal(t, 7, cost.Windows)
	require.Equal(t, []materialize.Backfill{
		{Range: span(0, 2*day), Windows: 2, Queries: 2}, {Range: span(4*day, 9*day), Windows: 5, Queries: 5},
	}, cost.Backfills)
	require.Equal(t, materialize.OnlineWrites{Known: true, How: "no missing window is served"}, cost.OnlineWrites)
}

func TestCostOfAChangeIsWhatItAdds(t *testing.T) {
	p := newPriced(t)
	before := p.view(nil)
	require.Zero(t, p.cost(before, &before, 20*day).Windows, "what is missing anyhow is no consequence of the change")
	earlier := p.view(func(v *feature.View) { v.FeatureStartTime = start.Add(2 * day) })
	cost := p.cost(earlier, &before, 20*day)
	require.Equal(t, []materialize.Backfill{{Range: span(-5*day, 0), Windows: 5, Queries: 5}}, cost.Backfills)
}

func TestCostOfAYearOfHoursIsToldQuickly(t *testing.T) {
	p := newPriced(t)
	view := p.view(func(v *feature.View) {
		v.BatchSchedule, v.IncrementalBackfills = feature.Duration(hour), true
	})
	begin := time.Now()
	cost := p.cost(view, nil, 365*day)
	require.Less(t, time.Since(begin), 2*time.Second)
	require.Equal(t, 8760, cost.Windows)
	require.Equal(t, 8760, cost.Queries)
	require.True(t, cost.Scan.Estimated)
	require.Equal(t, int64(8760), cost.Scan.Rows)
	require.Less(t, p.scans, 100)
}

func TestSourcesThatCannotBeReadAreWarnings(t *testing.T) {
	p := newPriced(t)
	p.source.err = fmt.Errorf("source events: data-*.parquet: %w", source.ErrNoFiles)
	cost := p.cost(p.view(nil), nil, 20*day)
	require.Equal(t, []string{"source events: data-*.parquet: source has no files"}, cost.Warnings)
	require.False(t, cost.Scan.RowsKnown)
	require.Equal(t, materialize.OnlineWrites{How: "how many rows the source has is not known before it is read"}, cost.OnlineWrites)
	p.source.err = errors.New("torn")
	require.Equal(t, []string{"what source events costs cannot be told: torn"}, p.cost(p.view(nil), nil, 20*day).Warnings)
}

// riddled is an offline store whose table covers every 13th hour.
type riddled struct {
	offline.Store
	offline.Table
}

func (r riddled) Open(context.Context, offline.Spec) (offline.Table, error) { return r, nil }

func (riddled) Snapshot(context.Context) (offline.Snapshot, error) {
	var covered []window.Interval
	for h := time.Duration(12); h < 365*24; h += 13 {
		covered = append(covered, span(h*hour, (h+1)*hour))
	}
	return offline.Snapshot{Covered: window.NewSet(covered...)}, nil
}

func TestCostOfManyGapsListsSomeAndCountsAll(t *testing.T) {
	p := newPriced(t)
	view := p.view(func(v *feature.View) { v.BatchSchedule = feature.Duration(hour) })
	require.NoError(t, p.bucket.Put(t.Context(), "offline/"+newTarget(t, view).Store()+"/x", nil))
	p.engine.Offline = riddled{}
	begin := time.Now()
	cost := p.cost(view, nil, 365*day)
	require.Less(t, time.Since(begin), 2*time.Second)
	require.Equal(t, 365*24-673, cost.Windows)
	require.Len(t, cost.Backfills, 20)
	require.Equal(t, materialize.Backfill{Range: span(0, 12*hour), Windows: 12, Queries: 6}, cost.Backfills[0])
	require.Equal(t, []string{"654 more ranges are missing than are listed"}, cost.Warnings)
}
