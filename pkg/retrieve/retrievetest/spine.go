package retrievetest

import (
	"io"
	"math"
	"math/rand/v2"
	"time"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/tilery/tilery/pkg/feature"
	"github.com/tilery/tilery/pkg/retrieve"
	"github.com/tilery/tilery/pkg/window"
)

// Ask is a row of a spine: values by the names of Columns, of which the keys and the
// time matter; nil is null.
type Ask map[string]any

// spineSchema names the columns otherwise than views do, and has more of them.
var spineSchema = feature.Schema{
	{Name: "where", Type: feature.String}, {Name: "row", Type: feature.Int64}, {Name: "asked_at", Type: feature.Timestamp},
	{Name: "who", Type: feature.Int64}, {Name: "note", Type: feature.ArrayOf(feature.String)},
}

// spineNames are the spine's names of join keys.
var spineNames = map[string]string{"user": "who", "shop": "where"}

// DrawSpine draws a spine of some hundred rows at most, in any order. Instants at
// which features of a subject change, or just before, are frequent.
func DrawSpine(t *rapid.T, subjects ...*Subject) []Ask {
	var instants []window.Time
	for _, s := range subjects {
		instants = append(instants, s.instants()...)
	}
	number := rapid.Uint64()
	if rapid.Bool().Draw(t, "spine repeats") {
		number = rapid.Uint64Range(0, 50)
	}
	size := rapid.SampledFrom([]int{0, 1, 30, 200, 500}).Draw(t, "spine")
	var spine []Ask
	for _, n := range rapid.SliceOfN(number, size/2, size).Draw(t, "spine numbers") {
		spine = append(spine, ask(n, instants))
	}
	return spine
}

// instants are those at which features may change, with some before and after all.
func (s *Subject) instants() []window.Time {
	out := []window.Time{window.MinTime, window.MaxTime, s.FeatureStartTime, max(s.FeatureStartTime.Add(s.DataDelay()), window.MinTime)}
	schedule := s.Schedule()
	if s.Ingested {
		schedule = s.step()
	}
	for i := range 14 {
		edge := Start.Add(time.Duration(i-2) * schedule)
		out = append(out, edge, edge.Add(s.DataDelay()))
	}
	for i, e := range s.Events() {
		at := window.Time(e.Time)
		if s.Ingested && i < 20 {
			out = append(out, at)
		}
		if expires, ok := s.Expires(at); ok && i < 20 {
			out = append(out, expires)
		}
	}
	return out
}

func ask(number uint64, instants []window.Time) Ask {
	r := seeded(number)
	at := instants[r.IntN(len(instants))]
	switch r.IntN(4) {
	case 0:
		at = max(at-1, window.MinTime)
	case 1:
		at = min(at+window.Time(r.Int64N(int64(6*time.Hour/time.Microsecond))), window.MaxTime)
	}
	out := Ask{"user": skewed(r, asked(r, users, int64(math.MinInt64+1))), "shop": skewed(r, asked(r, shops, "nowhere")), TimeColumn: int64(at)}
	if r.IntN(20) == 0 {
		out[TimeColumn] = nil
	}
	return out
}

// asked returns values and, at times, one that no event has.
func asked(r *rand.Rand, values []any, other any) []any {
	if r.IntN(8) > 0 {
		return values
	}
	return []any{other}
}

// row returns a row of the spine's records.
func (a Ask) row(number int) []feature.Value {
	return []feature.Value{
		Value(feature.String, a["shop"]), feature.Int64Value(int64(number)), Value(feature.Timestamp, a[TimeColumn]),
		Value(feature.Int64, a["user"]), Value(feature.ArrayOf(feature.String), []any{"note", nil}),
	}
}

// spineOf returns a spine in records of some rows each, one of which has none.
func spineOf(t require.TestingT, asks []Ask, recordRows int) retrieve.Spine {
	next, empty := 0, true
	return retrieve.Spine{Schema: spineSchema, Time: "asked_at", Next: func() (arrow.Record, error) {
		if next == len(asks) {
			return nil, io.EOF
		}
		end := min(next+recordRows, len(asks))
		if empty {
			end = next
		}
		empty = false
		var rows [][]feature.Value
		for ; next < end; next++ {
			rows = append(rows, asks[next].row(next))
		}
		return recordOf(t, spineSchema, rows), nil
	}}
}
