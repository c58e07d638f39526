package serve_test

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tilery/tilery/pkg/api"
	"github.com/tilery/tilery/pkg/feature"
	"github.com/tilery/tilery/pkg/window"
)

const allMetadata = `,"metadataOptions":{"includeNames":true,"includeDataTypes":true,"includeServingStatus":true}`

// visits are of user 1, and one of user 2 on the day before the last.
func visits() []event {
	at := func(hours int) window.Time { return start.Add(time.Duration(hours) * time.Hour) }
	return []event{
		{user: 1, at: at(12), n: ptr(int64(5)), label: ptr("b")},
		{user: 1, at: at(13), label: ptr("a")},
		{user: 1, at: at(36), n: ptr(int64(7)), label: ptr("b")},
		{user: 1, at: at(47), n: ptr(int64(1)), label: ptr("b")},
		{user: 1, at: at(47), n: ptr(int64(2))},
		{user: 2, at: at(12), n: ptr(int64(9)), label: ptr("c")},
	}
}

// newVisited returns a scene of two days with other aggregations.
func newVisited(t testing.TB, more string, aggregated ...string) *scene {
	s := newScene(t)
	s.apply(0, func(text string) string {
		return strings.Replace(aggregations(text, aggregated), "aggregation_interval: 1h", "aggregation_interval: 1h\n"+more, 1)
	})
	s.write(visits())
	s.materialize(0, 2)
	return s
}

func TestASeriesIsAnArrayFromTheEarliestWindowOn(t *testing.T) {
	t.Parallel()
	s := newVisited(t, "",
		"{column: n, function: count, time_window: {window_size: 6h, series_start: -1d}}",
		"{column: n, function: sum, time_window: {window_size: 12h, series_start: -36h, series_end: -6h, step_size: 6h}, name: sums}")
	for user, want := range map[int64]string{
		1: `[[null,null,"1","2"],["5",null,null,"7"]]`,
		2: `[null,["9",null,null,null]]`,
		3: `[null,null]`,
	} {
		_, body := s.features(user, "")
		require.Equal(t, `{"result":{"features":`+want+"}}\n", body, "user %d", user)
	}
	_, body := s.features(2, allMetadata)
	const array = `"dataType":{"type":"array","elementType":{"type":"int64"}}`
	require.Contains(t, body, `{"name":"spending.n_count_6h_1h_series_1d_0s_6h",`+array+`,"status":"MISSING_DATA"}`)
	require.Contains(t, body, `{"name":"spending.sums",`+array+`,"status":"PRESENT"}`)
	_, body = s.features(2, `,"requestOptions":{"coerceNullCountsToZero":true}`)
	require.Equal(t, `{"result":{"features":[["0","0","0","0"],["9",null,null,null]]}}`+"\n", body)
	_, body = s.features(1, `,"requestOptions":{"coerceNullCountsToZero":true}`)
	require.Contains(t, body, `[["0","0","1","2"],`)
}

func TestASecondaryKeyMakesListsAlignedToItsValues(t *testing.T) {
	t.Parallel()
	s := newVisited(t, "aggregation_secondary_key: label",
		"{column: n, function: count, time_window: 1d}",
		"{column: n, function: sum, time_window: 2d}",
		"{column: n, function: max, time_window: {window_size: 1d, offset: -1d}, name: z_max}")
	for user, want := range map[int64]string{
		// label_keys_1d, label_keys_1d_offset_1d, label_keys_2d, n_count_1d_1h, n_sum_2d_1h, z_max
		1: `[[null,"b"],["a","b"],[null,"a","b"],["1","2"],["2",null,"13"],[null,"5"]]`,
		2: `[null,["c"],["c"],null,["9"],["9"]]`,
		3: `[null,null,null,null,null,null]`,
	} {
		_, body := s.features(user, "")
		require.Equal(t, `{"result":{"features":`+want+"}}\n", body, "user %d", user)
		_, body = s.features(user, `,"requestOptions":{"coerceNullCountsToZero":true}`)
		require.Equal(t, `{"result":{"features":`+want+"}}\n", body, "there is no key to give a zero")
	}
	_, body := s.features(2, allMetadata)
	array := func(element string) string {
		return `"dataType":{"type":"array","elementType":{"type":"` + element + `"}}`
	}
	require.Contains(t, body, `{"name":"spending.label_keys_1d",`+array("string")+`,"status":"MISSING_DATA"},`+
		`{"name":"spending.label_keys_1d_offset_1d",`+array("string")+`,"status":"PRESENT"},`)
	require.Contains(t, body, `{"name":"spending.n_count_1d_1h",`+array("int64")+`,"status":"MISSING_DATA"}`)
}

func TestServicesTakeListsOfSecondaryKeys(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	s.apply(0, func(text string) string {
		text = strings.Replace(aggregations(text, []string{"{column: n, function: count, time_window: 1d}", "{column: n, function: count, time_window: 2d}"}),
			"aggregation_interval: 1h", "aggregation_interval: 1h\naggregation_secondary_key: label", 1)
		if !strings.Contains(text, "kind: BatchFeatureView") {
			return text
		}
		return text + "---\nkind: FeatureService\nname: labels\nfeatures: [{feature_view: spending, features: [label_keys_2d, n_count_1d_1h]}]\n"
	})
	s.write(visits())
	s.materialize(0, 2)
	status, body := s.post(api.GetFeaturesPath, `{"params":{"workspaceName":"prod","featureServiceName":"labels","joinKeyMap":{"user":"1"}}}`)
	require.Equal(t, 200, status, body)
	require.Equal(t, `{"result":{"features":[[null,"a","b"],["1","2"]]}}`+"\n", body)
}

// Four functions over a window of each kind, from an hour within a day on.
var (
	mixedLifetime = start.Add(26 * time.Hour)
	mixedWindows  = []feature.TimeWindow{
		feature.Lifetime, feature.Trailing(feature.Duration(4 * time.Hour)), feature.Trailing(feature.Duration(day)),
		{WindowSize: feature.Duration(6 * time.Hour), Offset: feature.Offset(-20 * time.Hour)},
		{WindowSize: feature.Duration(6 * time.Hour), StepSize: feature.Duration(4 * time.Hour), SeriesStart: feature.Offset(-40 * time.Hour), SeriesEnd: feature.Offset(-2 * time.Hour)},
	}
)

func mixed(text string) string {
	var list []string
	for i, w := range mixedWindows {
		written, err := json.Marshal(w)
		if err != nil {
			panic(err) //nolint:forbidigo // windows can be written
		}
		for _, f := range [][2]string{{"n", "count"}, {"label", "min"}, {"amount", "mean"}, {"n", "sum"}} {
			list = append(list, fmt.Sprintf("{column: %s, function: %s, time_window: %s, name: a%d_%s}", f[0], f[1], written, i, f[1]))
		}
	}
	return strings.Replace(aggregations(text, list), "aggregation_interval: 1h", "aggregation_interval: 2h\nlifetime_start_time: "+mixedLifetime.String(), 1)
}

func TestVectorsOfEachKindOfWindowEqualANaiveComputationAtEachWatermark(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	s.apply(0, mixed)
	r := rand.New(rand.NewPCG(7, 7))
	const days = 5
	var events []event
	for range 400 {
		e := event{user: r.Int64N(4), at: start.Add(time.Duration(r.Int64N(int64(days * day))))}
		if r.IntN(4) > 0 {
			e.n = ptr(r.Int64N(1000) - 500)
		}
		if r.IntN(4) > 0 {
			e.amount = ptr([]string{"1e300", "-1e300", "0.1", "1", "-0.0", "1e-300"}[r.IntN(6)])
		}
		if r.IntN(4) > 0 {
			e.label = ptr(string(rune('a' + r.IntN(26))))
		}
		events = append(events, e)
	}
	s.write(events)
	s.materialize(0, 1)
	status, _ := s.features(1, "")
	require.Equal(t, 404, status, "the series reaches back to before the first day")
	for d := 2; d <= days; d++ {
		s.materialize(d-1, d)
		edge := start.Add(time.Duration(d) * day)
		for user := range int64(5) { // user 4 is unknown
			status, body := s.features(user, `,"metadataOptions":{"includeServingStatus":true}`)
			require.Equal(t, 200, status, body)
			var got api.GetFeaturesResponse
			require.NoError(t, json.Unmarshal([]byte(body), &got))
			for i, w := range mixedWindows {
				values, present := naiveWindow(t, events, user, w, edge)
				require.Equal(t, values, got.Result.Features[4*i:4*i+4], "user %d, %s before day %d", user, w, d)
				for _, m := range got.Metadata.Features[4*i : 4*i+4] {
					require.Equal(t, present, m.Status == api.Present)
				}
			}
		}
	}
}

// naiveWindow returns what naive does, of a series in arrays.
func naiveWindow(t *testing.T, events []event, user int64, w feature.TimeWindow, edge window.Time) (values []any, present bool) {
	intervals := w.Intervals(edge, mixedLifetime)
	if !w.IsSeries() {
		return naive(t, events, user, intervals[0])
	}
	arrays := make([][]any, 4)
	for _, i := range intervals {
		of, some := naive(t, events, user, i)
		present = present || some
		for f, value := range of {
			arrays[f] = append(arrays[f], value)
		}
	}
	values = make([]any, 4)
	for f, array := range arrays {
		if present {
			values[f] = array
		}
	}
	return values, present
}
