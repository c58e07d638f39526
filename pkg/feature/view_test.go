package feature_test

import (
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/tilery/tilery/pkg/feature"
	"github.com/tilery/tilery/pkg/window"
)

func view(t *testing.T, r *feature.Repository) feature.View {
	v, err := r.View("delays")
	require.NoError(t, err)
	return v
}

func TestViewNamesWhatIsMissing(t *testing.T) {
	r := valid()
	_, err := r.View("nothing")
	require.EqualError(t, err, `no feature view "nothing"`)
	r.BatchSources = nil
	_, err = r.View("delays")
	require.EqualError(t, err, `feature view "delays": no source "flights"`)
	r.Entities = nil
	_, err = r.View("delays")
	require.EqualError(t, err, `feature view "delays": no entity "airport"`)
}

func TestViewHoldsWhatItRefersTo(t *testing.T) {
	r := valid()
	r.BatchSources[0].BatchConfig.DataDelay = hour
	v := view(t, r)
	require.Equal(t, []feature.Field{{Name: "origin", Type: feature.String}}, v.JoinKeys())
	require.Equal(t, []string{"delay_mean_1d_1h", "delay_count_7d_1h", "distance_sum_1h_1h"}, v.FeatureNames())
	require.Equal(t, time.Hour, v.DataDelay())
	require.Equal(t, 7*24*time.Hour, v.LongestWindow())
	output, err := v.OutputSchema()
	require.NoError(t, err)
	require.Equal(t, outputSchema(), output)

	r.BatchFeatureViews[0].BatchSchedule = 0
	require.Equal(t, time.Hour, view(t, r).Schedule())
}

func TestMaterializationStart(t *testing.T) {
	for name, c := range map[string]struct {
		schedule, window, delay feature.Duration
		start, want             string
	}{
		"aligned":                           {day, 7 * day, 0, "2001-01-08", "2001-01-01"},
		"unaligned start":                   {day, 7 * day, 0, "2001-01-08T13:37:00Z", "2001-01-01"},
		"window shorter than the schedule":  {day, hour, 0, "2001-01-08", "2001-01-07"},
		"window no multiple of schedule":    {day, 30 * hour, 0, "2001-01-08", "2001-01-06"},
		"delay reaches into the day before": {day, day, hour, "2001-01-08", "2001-01-06"},
		"delay within the day":              {day, day, hour, "2001-01-08T02:00:00Z", "2001-01-07"},
		"delay and window are floored one by one": {day, 12 * hour, 12 * hour,
			"2001-01-08T12:00:00Z", "2001-01-07"},
		"weeks begin on Thursday": {7 * day, day, 0, "2001-01-04", "2000-12-28"},
		"before the epoch":        {day, day, 0, "1969-12-31T23:59:59Z", "1969-12-30"},
	} {
		t.Run(name, func(t *testing.T) {
			r := valid()
			r.BatchSources[0].BatchConfig.DataDelay = c.delay
			v := &r.BatchFeatureViews[0]
			v.BatchSchedule, v.FeatureStartTime = c.schedule, at(c.start)
			v.Aggregations = []feature.Aggregation{{Column: "delay", Function: feature.Sum, TimeWindow: c.window}}
			require.Equal(t, at(c.want), view(t, r).MaterializationStart())
		})
	}
}

// The value at t is made of the tiles of [E - window, E), E = floor(t - delay): at
// feature_start_time all of them must be there, and no more windows than they need.
func TestMaterializationStartsWhereTheFirstValueNeedsIt(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		r := valid()
		schedule := feature.Duration(rapid.IntRange(1, 48).Draw(t, "schedule")) * hour
		r.BatchSources[0].BatchConfig.DataDelay = feature.Duration(rapid.IntRange(0, 100_000).Draw(t, "delay")) * 1e9
		v := &r.BatchFeatureViews[0]
		v.BatchSchedule = schedule
		v.FeatureStartTime = window.Time(rapid.Int64Range(-1e15, 1e15).Draw(t, "start"))
		v.Aggregations[1].TimeWindow = feature.Duration(rapid.IntRange(24, 200).Draw(t, "window")) * hour
		resolved, err := r.View("delays")
		require.NoError(t, err)
		start := resolved.MaterializationStart()
		first := v.FeatureStartTime.Add(-resolved.DataDelay()).Floor(time.Duration(schedule)).Add(-resolved.LongestWindow())
		require.True(t, start.Aligned(time.Duration(schedule)))
		require.LessOrEqual(t, start, first)
		require.Greater(t, start.Add(time.Duration(schedule)), first)
	})
}

func TestMaterializationEndsWhereDataIsComplete(t *testing.T) {
	for name, c := range map[string]struct {
		delay     feature.Duration
		now, want string
	}{
		"on the boundary":          {0, "2001-02-01", "2001-02-01"},
		"just before the boundary": {0, "2001-01-31T23:59:59.999999Z", "2001-01-31"},
		"delay not over":           {hour, "2001-02-01T00:59:59Z", "2001-01-31"},
		"delay over":               {hour, "2001-02-01T01:00:00Z", "2001-02-01"},
	} {
		t.Run(name, func(t *testing.T) {
			r := valid()
			r.BatchSources[0].BatchConfig.DataDelay = c.delay
			require.Equal(t, at(c.want), view(t, r).MaterializationEnd(at(c.now)))
		})
	}
}

func fingerprint(t *testing.T, r *feature.Repository) string {
	got, err := view(t, r).Fingerprint()
	require.NoError(t, err)
	return got
}

// A change here orphans the stored data of every view: it is right only together
// with a change of what is stored, and fingerprintFormat.
func TestFingerprintIsStable(t *testing.T) {
	require.Equal(t, "b64d5f774344d368", fingerprint(t, valid()))
}

type definitions struct {
	*feature.Repository
	entity *feature.Entity
	source *feature.BatchSource
	view   *feature.BatchFeatureView
}

func changed(change func(d definitions)) *feature.Repository {
	r := valid()
	second := r.BatchSources[0]
	second.Name = "airports"
	r.BatchSources = append(r.BatchSources, second)
	r.BatchFeatureViews[0].Sources = []feature.ViewSource{{Source: "flights"}, {Source: "airports"}}
	change(definitions{r, &r.Entities[0], &r.BatchSources[0], &r.BatchFeatureViews[0]})
	return r
}

func TestFingerprintChangesWithWhatIsStored(t *testing.T) {
	seen := map[string]string{fingerprint(t, changed(func(definitions) {})): "nothing"}
	for name, change := range map[string]func(d definitions){
		"SQL":                func(d definitions) { d.view.Transformation += " WHERE delay > 0" },
		"source's name":      func(d definitions) { d.source.Name, d.view.Sources[0] = "trips", feature.ViewSource{Source: "trips"} },
		"source's URI":       func(d definitions) { d.source.BatchConfig.URI = "other/*.parquet" },
		"source's timestamp": func(d definitions) { d.source.BatchConfig.TimestampField = "arrival" },
		"source's column":    func(d definitions) { d.source.Schema[0].Name = "day" },
		"source's type":      func(d definitions) { d.source.Schema[1].Type = feature.Float64 },
		"another source":     func(d definitions) { d.view.Sources = d.view.Sources[:1] },
		"join key's name":    func(d definitions) { d.entity.JoinKeys[0].Name = "airport" },
		"join key's type":    func(d definitions) { d.entity.JoinKeys[0].Type = feature.Int64 },
		"another join key": func(d definitions) {
			d.entity.JoinKeys = append(d.entity.JoinKeys, feature.Field{Name: "k", Type: feature.String})
		},
		"timestamp field":        func(d definitions) { d.view.TimestampField = "arrival" },
		"interval":               func(d definitions) { d.view.AggregationInterval = 30 * minute },
		"schedule":               func(d definitions) { d.view.BatchSchedule = 2 * day },
		"aggregated type":        func(d definitions) { d.view.Schema[2].Type = feature.Float64 },
		"a new partial state":    func(d definitions) { d.view.Aggregations[0].Function = feature.Max },
		"one partial state less": func(d definitions) { d.view.Aggregations = d.view.Aggregations[:2] },
	} {
		got := fingerprint(t, changed(change))
		require.Len(t, got, 16)
		require.Empty(t, seen[got], "%s gives the fingerprint of another change", name)
		seen[got] = name
	}
}

func TestFingerprintStaysWithWhatIsNotStored(t *testing.T) {
	want := fingerprint(t, changed(func(definitions) {}))
	for name, change := range map[string]func(d definitions){
		"descriptions":          func(d definitions) { d.view.Description, d.source.Description, d.entity.Description = "v", "s", "e" },
		"owner":                 func(d definitions) { d.view.Owner = "me" },
		"tags":                  func(d definitions) { d.view.Tags = map[string]string{"a": "b"} },
		"entity's name":         func(d definitions) { d.entity.Name, d.view.Entities[0] = "place", "place" },
		"start time":            func(d definitions) { d.view.FeatureStartTime = at("2000-06-01") },
		"data delay":            func(d definitions) { d.source.BatchConfig.DataDelay = hour },
		"online":                func(d definitions) { d.view.Online = false },
		"offline":               func(d definitions) { d.view.Online, d.view.Offline = false, false },
		"window":                func(d definitions) { d.view.Aggregations[0].TimeWindow = 2 * day },
		"name of a feature":     func(d definitions) { d.view.Aggregations[0].Name = "late" },
		"order of aggregations": func(d definitions) { slices.Reverse(d.view.Aggregations) },
		"order of sources":      func(d definitions) { slices.Reverse(d.view.Sources) },
		"blanks around the SQL": func(d definitions) { d.view.Transformation = "\n" + d.view.Transformation + "\n" },
		"unused column of result": func(d definitions) {
			d.view.Schema = append(d.view.Schema, feature.Field{Name: "x", Type: feature.Bool})
		},
		"features of stored states": func(d definitions) {
			d.view.Aggregations = append(d.view.Aggregations,
				feature.Aggregation{Column: "delay", Function: feature.Sum, TimeWindow: 3 * day},
				feature.Aggregation{Column: "delay", Function: feature.Mean, TimeWindow: hour})
		},
	} {
		require.Equal(t, want, fingerprint(t, changed(change)), name)
	}
}

func TestFingerprintTakesTheDefaultScheduleForTheSame(t *testing.T) {
	written, left := valid(), valid()
	written.BatchFeatureViews[0].BatchSchedule = hour
	left.BatchFeatureViews[0].BatchSchedule = 0
	require.Equal(t, fingerprint(t, written), fingerprint(t, left))
}

func TestFingerprintNeedsTheAggregatedColumns(t *testing.T) {
	r := valid()
	r.BatchFeatureViews[0].Schema = nil
	_, err := view(t, r).Fingerprint()
	require.ErrorContains(t, err, `fingerprint of delays: aggregation of "delay": no such column`)
}
