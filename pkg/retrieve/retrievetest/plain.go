package retrievetest

import (
	"time"

	functions "github.com/tilery/tilery/pkg/aggregate/oracle"
	"github.com/tilery/tilery/pkg/feature"
	"github.com/tilery/tilery/pkg/retrieve/oracle"
	"github.com/tilery/tilery/pkg/window"
)

// Plain returns a view by user that is not drawn: it stores rows with the column n, or
// has aggregations of tiles as long as the schedule.
func Plain(schedule, delay time.Duration, aggregations ...feature.Aggregation) *View {
	v := newView(Columns[:1], schedule, delay, 0)
	v.Schema = feature.Schema{Columns[0], {Name: TimeColumn, Type: feature.Timestamp}, {Name: "n", Type: feature.Int64}}
	if len(aggregations) == 0 {
		v.Oracle.Columns = []string{"n"}
		return v
	}
	v.AggregationInterval, v.Oracle.Interval = feature.Duration(schedule), schedule.Microseconds()
	for _, a := range aggregations {
		v.add(a, functions.Function{Name: string(a.Function)})
	}
	return v
}

// Sum returns the sum of n over a size.
func Sum(size time.Duration) feature.Aggregation {
	return feature.Aggregation{Column: "n", Function: feature.Sum, TimeWindow: feature.Trailing(feature.Duration(size))}
}

// Event returns an event of a plain view.
func Event(user int64, at window.Time, n int64) oracle.Event {
	return oracle.Event{Key: [2]any{user}, Time: int64(at), Values: map[string]any{"user": user, "n": n}}
}
