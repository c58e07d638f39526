package feature_test

import (
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tilery/tilery/pkg/feature"
)

func fingerprint(t *testing.T, r *feature.Repository) string {
	got, err := view(t, r).Fingerprint()
	require.NoError(t, err)
	return got
}

// A change here orphans the stored data of every view: it is right only together
// with a change of what is stored, and fingerprintFormat.
func TestFingerprintIsStable(t *testing.T) {
	require.Equal(t, "b64d5f774344d368", fingerprint(t, valid()))
	require.Equal(t, "3901ff7f2900d06d", fingerprint(t, rows()))
	require.Equal(t, "628f501be9dc05ec", tableFingerprint(t, ingested()))
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

// rowsOf leaves out the aggregations and adds columns to the result.
func rowsOf(d definitions, columns ...feature.Field) {
	d.view.Aggregations, d.view.AggregationInterval = nil, 0
	d.view.Schema = append(d.view.Schema, columns...)
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
		"look-back":              func(d definitions) { d.view.Sources[0].StartTimeOffset = feature.Offset(-day) },
		"longer look-back":       func(d definitions) { d.view.Sources[0].StartTimeOffset = feature.Offset(-2 * day) },
		"endless look-back":      func(d definitions) { d.view.Sources[0].StartTimeOffset = feature.Unbounded },
		"look-back of another":   func(d definitions) { d.view.Sources[1].StartTimeOffset = feature.Offset(-day) },
		"format":                 func(d definitions) { d.source.BatchConfig.FileFormat = feature.Delta },
		"first version": func(d definitions) {
			d.source.BatchConfig.FileFormat, d.source.BatchConfig.DeltaVersion = feature.Delta, new(int64)
		},
		"version of a time": func(d definitions) {
			d.source.BatchConfig.FileFormat, d.source.BatchConfig.DeltaTimestamp = feature.Delta, at("2001-02-01")
		},
		"directories": func(d definitions) {
			d.source.BatchConfig.DatetimePartitionColumns = []feature.DatetimePartitionColumn{{ColumnName: "dt", Datepart: "date"}}
		},
		"rows":                 func(d definitions) { rowsOf(d) },
		"rows with a feature":  func(d definitions) { rowsOf(d, feature.Field{Name: "late", Type: feature.Bool}) },
		"type of that feature": func(d definitions) { rowsOf(d, feature.Field{Name: "late", Type: feature.Int64}) },
		"name of that feature": func(d definitions) { rowsOf(d, feature.Field{Name: "is_late", Type: feature.Bool}) },
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
		"descriptions":      func(d definitions) { d.view.Description, d.source.Description, d.entity.Description = "v", "s", "e" },
		"owner":             func(d definitions) { d.view.Owner = "me" },
		"tags":              func(d definitions) { d.view.Tags = map[string]string{"a": "b"} },
		"entity's name":     func(d definitions) { d.entity.Name, d.view.Entities[0] = "place", "place" },
		"start time":        func(d definitions) { d.view.FeatureStartTime = at("2000-06-01") },
		"data delay":        func(d definitions) { d.source.BatchConfig.DataDelay = hour },
		"online":            func(d definitions) { d.view.Online = false },
		"offline":           func(d definitions) { d.view.Online, d.view.Offline = false, false },
		"window":            func(d definitions) { d.view.Aggregations[0].TimeWindow = feature.Trailing(2 * day) },
		"name of a feature": func(d definitions) { d.view.Aggregations[0].Name = "late" },
		"serving index":     func(d definitions) { d.view.OnlineServingIndex = []string{"origin"} },
		"trigger and its end": func(d definitions) {
			d.view.BatchTrigger, d.view.ManualTriggerBackfillEndTime = feature.Manual, at("2001-02-01")
		},
		"backfills": func(d definitions) { d.view.IncrementalBackfills, d.view.MaxBackfillInterval = true, 7*day },
		"place":     func(d definitions) { d.view.DefinedIn, d.source.DefinedIn, d.entity.DefinedIn = "v", "s", "e" },
		"protection": func(d definitions) {
			d.view.PreventDestroy, d.source.PreventDestroy, d.entity.PreventDestroy = true, true, true
		},
		"order of aggregations": func(d definitions) { slices.Reverse(d.view.Aggregations) },
		"order of sources":      func(d definitions) { slices.Reverse(d.view.Sources) },
		"blanks around the SQL": func(d definitions) { d.view.Transformation = "\n" + d.view.Transformation + "\n" },
		"unused column of result": func(d definitions) {
			d.view.Schema = append(d.view.Schema, feature.Field{Name: "x", Type: feature.Bool})
		},
		"features of stored states": func(d definitions) {
			d.view.Aggregations = append(d.view.Aggregations,
				feature.Aggregation{Column: "delay", Function: feature.Sum, TimeWindow: feature.Trailing(3 * day)},
				feature.Aggregation{Column: "delay", Function: feature.Mean, TimeWindow: feature.Trailing(hour)})
		},
	} {
		require.Equal(t, want, fingerprint(t, changed(change)), name)
	}
}

func TestFingerprintOfRowsStaysWithTheirTTL(t *testing.T) {
	r := rows()
	r.BatchFeatureViews[0].TTL = 0
	require.Equal(t, fingerprint(t, rows()), fingerprint(t, r))
}

func TestFingerprintTakesTheDefaultScheduleForTheSame(t *testing.T) {
	written, left := valid(), valid()
	written.BatchFeatureViews[0].BatchSchedule = hour
	left.BatchFeatureViews[0].BatchSchedule = 0
	require.Equal(t, fingerprint(t, written), fingerprint(t, left))
}

func TestFingerprintNeedsTheStoredColumns(t *testing.T) {
	for want, r := range map[string]*feature.Repository{
		`fingerprint of delays: aggregation of "delay": no such column`:                      valid(),
		"fingerprint of delays: features of delays: the columns of its result are not known": rows(),
	} {
		r.BatchFeatureViews[0].Schema = nil
		_, err := view(t, r).Fingerprint()
		require.ErrorContains(t, err, want)
	}
}
