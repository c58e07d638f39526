package serve_test

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tilery/tilery/pkg/aggregate/oracle"
	"github.com/tilery/tilery/pkg/api"
	"github.com/tilery/tilery/pkg/window"
)

// aggregations replaces those of testdata.
func aggregations(text string, list []string) string {
	head, _, found := strings.Cut(text, "aggregations:")
	if !found {
		return text
	}
	return head + "aggregations: [" + strings.Join(list, ", ") + "]\nonline: true\noffline: true\n"
}

// windows are four functions over windows of which some begin within a block,
// and some span several.
func windows(text string) string {
	var list []string
	for _, length := range vectorWindows {
		for _, f := range [][2]string{{"n", "count"}, {"label", "min"}, {"amount", "mean"}, {"n", "sum"}} {
			list = append(list, fmt.Sprintf("{column: %s, function: %s, time_window: %dh, name: a%03d_%s}", f[0], f[1], length, length, f[1]))
		}
	}
	return aggregations(text, list)
}

var vectorWindows = []int{1, 2, 5, 24, 25, 72}

func TestVectorsEqualANaiveComputationAtEachWatermark(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	s.apply(0, windows)
	r := rand.New(rand.NewPCG(1, 2))
	const days = 6
	var events []event
	for range 1500 {
		e := event{user: r.Int64N(6), at: start + window.Time(r.Int64N(int64(days*day/time.Microsecond)))}
		if r.IntN(4) > 0 {
			e.n = ptr(r.Int64N(1000) - 500)
		}
		if r.IntN(4) > 0 {
			e.amount = ptr([]string{"1e300", "-1e300", "0.1", "1", "-0.0", "1e-300"}[r.IntN(6)])
		}
		if r.IntN(4) > 0 {
			e.label = ptr(string(rune('a' + r.IntN(26))))
		}
		if e.user == 5 && e.at >= start.Add(day) { // a user who left
			continue
		}
		events = append(events, e)
	}
	s.write(events)
	s.materialize(0, 2)
	status, _ := s.features(1, "")
	require.Equal(t, 404, status, "72 hours are not covered yet")
	for d := 3; d <= days; d++ {
		s.materialize(d-1, d)
		edge := start.Add(time.Duration(d) * day)
		for user := range int64(7) { // user 6 is unknown
			status, body := s.features(user, `,"metadataOptions":{"includeEffectiveTimes":true,"includeServingStatus":true}`)
			require.Equal(t, 200, status, body)
			var got api.GetFeaturesResponse
			require.NoError(t, json.Unmarshal([]byte(body), &got))
			for i, length := range vectorWindows {
				values, present := naive(t, events, user, window.Interval{Start: edge.Add(-time.Duration(length) * time.Hour), End: edge})
				require.Equal(t, values, got.Result.Features[4*i:4*i+4], "user %d, %d hours before day %d", user, length, d)
				for _, m := range got.Metadata.Features[4*i : 4*i+4] {
					require.Equal(t, present, m.Status == api.Present)
					require.Equal(t, edge.Add(2*time.Hour).Time(), *m.EffectiveTime)
				}
			}
		}
	}
}

// naive returns count, mean, min and sum, as names order them.
func naive(t *testing.T, events []event, user int64, w window.Interval) (values []any, present bool) {
	var n []int64
	var amounts []float64
	var labels []string
	for _, e := range events {
		if e.user != user || !w.Contains(e.at) {
			continue
		}
		present = true
		if e.n != nil {
			n = append(n, *e.n)
		}
		if e.amount != nil {
			f, err := strconv.ParseFloat(*e.amount, 64)
			require.NoError(t, err)
			amounts = append(amounts, f)
		}
		if e.label != nil {
			labels = append(labels, *e.label)
		}
	}
	values = make([]any, 4)
	if present {
		values[0] = strconv.Itoa(len(n))
	}
	if label, ok := oracle.Least(labels, make([]bool, len(labels)), func(a, b string) bool { return a < b }); ok {
		values[2] = label
	}
	if mean, ok := oracle.MeanFloat64(amounts, make([]bool, len(amounts))); ok {
		values[1] = mean
	}
	if sum, ok := oracle.SumInt64(n, make([]bool, len(n))); ok {
		values[3] = strconv.FormatInt(sum, 10)
	}
	return values, present
}

// BenchmarkGetFeatures reads 12 features from 8 cells of 24 tiles through the handler.
func BenchmarkGetFeatures(b *testing.B) {
	s := newScene(b)
	s.apply(0, func(text string) string {
		var list []string
		for _, length := range []string{"1h", "6h", "1d", "8d"} {
			for _, function := range []string{"count", "mean", "max"} {
				list = append(list, fmt.Sprintf("{column: n, function: %s, time_window: %s}", function, length))
			}
		}
		return aggregations(text, list)
	})
	var events []event
	for user := range int64(100) {
		for h := range 8 * 24 {
			events = append(events, event{user: user, at: start.Add(time.Duration(h) * time.Hour), n: ptr(int64(h))})
		}
	}
	s.write(events)
	s.materialize(0, 8)
	request := ask(7, "")
	status, body := post(b, s.server, api.GetFeaturesPath, request)
	require.Equal(b, 200, status, body)
	b.ReportAllocs()
	for b.Loop() {
		post(b, s.server, api.GetFeaturesPath, request)
	}
}
