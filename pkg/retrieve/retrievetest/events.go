package retrievetest

import (
	"math"
	"math/rand/v2"
	"time"

	"pgregory.net/rapid"

	"github.com/tilery/tilery/pkg/feature"
	"github.com/tilery/tilery/pkg/retrieve/oracle"
	"github.com/tilery/tilery/pkg/window"
)

// TimeColumn is the timestamp field of all views.
const TimeColumn = "ts"

// Start is where data begins: a Thursday, as weeks of the epoch do.
var Start = window.FromTime(time.Date(2001, 1, 4, 0, 0, 0, 0, time.UTC))

// Columns are what the SQL of every view returns: two join keys, of which a view may
// use one, the time, two columns that may be secondary keys, and one of each type.
var Columns = feature.Schema{
	{Name: "user", Type: feature.Int64}, {Name: "shop", Type: feature.String}, {Name: TimeColumn, Type: feature.Timestamp},
	{Name: "category", Type: feature.String}, {Name: "code", Type: feature.Int64},
	{Name: "n", Type: feature.Int64}, {Name: "amount", Type: feature.Float64}, {Name: "label", Type: feature.String},
	{Name: "flag", Type: feature.Bool}, {Name: "small", Type: feature.Int32}, {Name: "ratio", Type: feature.Float32},
	{Name: "tags", Type: feature.ArrayOf(feature.String)}, {Name: "seen_at", Type: feature.Timestamp},
}

// The values of join keys that events have. A spine asks for others as well.
var (
	users = []any{int64(1), int64(-1), int64(0), int64(2), int64(70), int64(math.MaxInt64), int64(math.MinInt64)}
	shops = []any{"a", "", "ab", "a\x00", "é"}
)

// Entities are some keys without null, the last one of which no event has.
var Entities = [][2]any{{int64(1), "a"}, {int64(-1), "a"}, {int64(1), "ab"}, {int64(math.MaxInt64), "a\x00"}, {int64(-5), "nowhere"}}

var examples = map[string][]any{
	"category": {"x", "", "y"}, "code": {int64(5), int64(-5), int64(math.MaxInt64)},
	"n":      {int64(0), int64(1), int64(-7), int64(math.MaxInt64), int64(math.MinInt64)},
	"amount": {1e300, -1e300, 0.1, -0.1, 1e-300, 0.0, math.Copysign(0, -1), math.NaN(), math.Inf(1), math.Inf(-1)},
	"label":  {"", "x", "x\x00", "y\tz", "é"},
	"flag":   {true, false}, "small": {int32(1), int32(math.MinInt32), int32(math.MaxInt32)},
	"ratio":   {float32(0.1), float32(math.Copysign(0, -1)), float32(math.NaN()), float32(3e38)},
	"tags":    {[]any{}, []any{nil}, []any{"a", nil, "b"}, []any{""}},
	"seen_at": {int64(0), int64(Start), int64(-1)},
}

// EventsOf are events of a view within a span. Some share time and key, some all they have.
func (v *View) EventsOf(t *rapid.T, label string, span window.Interval) []oracle.Event {
	few := rapid.Bool().Draw(t, label+" repeat")
	size := rapid.SampledFrom([]int{0, 4, 40, 200, 500}).Draw(t, label)
	number := rapid.Uint64()
	if few {
		number = rapid.Uint64Range(0, 50)
	}
	var events []oracle.Event
	for _, n := range rapid.SliceOfN(number, size/2, size).Draw(t, label+" numbers") {
		events = append(events, v.Event(n, span))
	}
	return events
}

// Event makes an event of a number.
func (v *View) Event(number uint64, span window.Interval) oracle.Event {
	r := seeded(number)
	values := map[string]any{"user": skewed(r, users), "shop": skewed(r, shops)}
	for _, column := range Columns {
		if known := examples[column.Name]; known != nil {
			values[column.Name] = skewed(r, known)
		}
	}
	if r.IntN(2) == 0 && values["n"] != nil {
		values["n"], values["amount"] = r.Int64N(100), r.NormFloat64()
	}
	return oracle.Event{Key: v.Key(values), Time: int64(v.time(r, span)), Values: values}
}

// time returns one within the span: the bounds of tiles, and times next to them, are
// frequent.
func (v *View) time(r *rand.Rand, span window.Interval) window.Time {
	at := span.Start.Add(time.Duration(r.Int64N(int64(span.End.Sub(span.Start)))))
	switch r.IntN(5) {
	case 0:
		return max(at.Floor(v.step()), span.Start)
	case 1:
		return max(at.Floor(v.step())-1, span.Start)
	case 2:
		return max(at.Floor(time.Hour/2), span.Start)
	}
	return at
}

// skewed returns null at times, and the first of the values more often than others.
func skewed(r *rand.Rand, values []any) any {
	switch i := r.IntN(2*len(values) + 1); {
	case i < len(values):
		return values[i]
	case i < 2*len(values):
		return values[0]
	}
	return nil
}

func seeded(number uint64) *rand.Rand { return rand.New(rand.NewPCG(number, 0)) }
