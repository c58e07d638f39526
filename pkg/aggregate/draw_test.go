package aggregate_test

import (
	"math"
	"math/rand/v2"
	"strings"
	"time"

	"pgregory.net/rapid"

	"github.com/tilery/tilery/pkg/feature"
	"github.com/tilery/tilery/pkg/window"
)

const (
	keys     = 3
	interval = time.Hour // of a tile
	allTiles = 14        // of a key, from firstTile on
)

// edge is the leading edge that windows are before. Two tiles lie behind it.
var (
	edge      = window.FromTime(time.Date(2001, 1, 1, 12, 0, 0, 0, time.UTC))
	firstTile = edge.Add(-12 * interval)
)

// tileOf returns the number of the tile of a key that t is in.
func tileOf(key int32, t window.Time) int32 {
	return key*allTiles + int32(t.Sub(firstTile)/interval)
}

// drawRows draws rows whose groups are keys, some negative, in the order of their
// arrival, which is any: up to 40 drawn one by one, and in some cases many made
// from a seed, for what only many rows do.
func drawRows(t *rapid.T, columns ...string) []row {
	generators := map[string]func(*rapid.T) any{}
	for _, column := range columns {
		generators[column] = drawn(t, typeOf(column))
	}
	group := rapid.Int32Range(-1, keys-1)
	if rapid.Bool().Draw(t, "one key") {
		group = rapid.Just(int32(0))
	}
	few := rapid.Bool().Draw(t, "few times")
	var rows []row
	for n := range rapid.SampledFrom([]int{0, 1, 3, 10, 40}).Draw(t, "rows") {
		if n > 0 && rapid.SampledFrom([]bool{false, false, false, false, true}).Draw(t, "again") {
			rows = append(rows, rows[rapid.IntRange(0, n-1).Draw(t, "earlier")])
			continue
		}
		r := row{group: group.Draw(t, "group"), at: drawTime(t, few), values: map[string]any{}}
		for _, column := range columns {
			if !rapid.SampledFrom([]bool{false, false, false, true}).Draw(t, "null") {
				r.values[column] = generators[column](t)
			}
		}
		rows = append(rows, r)
	}
	if many := rapid.SampledFrom([]int{0, 0, 0, 0, 0, 0, 300, 1500}).Draw(t, "many"); many > 0 {
		from := random(rapid.Uint64().Draw(t, "seed"))
		distinct := rapid.SampledFrom([]int{3, 70, 100_000}).Draw(t, "distinct")
		for range many {
			rows = append(rows, manyRow(from, columns, distinct))
		}
	}
	return shuffled(t, rows)
}

// drawTime draws a time in any tile; ties are frequent, above all with few.
func drawTime(t *rapid.T, few bool) window.Time {
	hours, within := allTiles-1, []time.Duration{0, time.Microsecond, interval / 2, interval - time.Microsecond}
	if few {
		hours, within = 2, within[:1]
	}
	hour := rapid.IntRange(0, hours).Draw(t, "hour")
	return firstTile.Add(time.Duration(hour)*interval + rapid.SampledFrom(within).Draw(t, "within"))
}

// manyRow makes a row of key 0 in three of four cases.
func manyRow(from *rand.Rand, columns []string, distinct int) row {
	r := row{at: firstTile.Add(time.Duration(from.Int64N(int64(allTiles * interval))).Truncate(time.Minute)), values: map[string]any{}}
	if from.IntN(4) == 0 {
		r.group = int32(from.IntN(keys))
	}
	for _, column := range columns {
		if from.IntN(10) > 0 {
			r.values[column] = manyValue(from, typeOf(column), distinct)
		}
	}
	return r
}

func manyValue(from *rand.Rand, t feature.Type, distinct int) any {
	n := from.IntN(distinct)
	x := float64(n-distinct/3) * math.Pow(10, float64(n%13-6))
	switch t {
	case feature.Bool:
		return n%2 == 0
	case feature.Int32:
		return int32(n*7919 - distinct)
	case feature.Int64, feature.Timestamp:
		return int64(n)*1_000_003 - int64(distinct)
	case feature.Float32:
		return float32(x)
	case feature.Float64:
		if n%100 == 7 {
			return math.Ldexp(x, n%1900-950) // far more bins than a sketch has
		}
		return x
	case feature.String:
		return strings.Repeat("k", n%5) + string(rune('a'+n%26)) + string(rune('0'+n/26))
	}
	array := []any{}
	for i := range n % 4 {
		if (n+i)%7 == 0 {
			array = append(array, nil)
		} else {
			array = append(array, manyValue(from, t.Element(), distinct))
		}
	}
	return array
}

// kindOfWindow is a time window that stands for its kind.
type kindOfWindow struct {
	name string
	feature.TimeWindow
}

// drawWindows draws a time window of each kind.
func drawWindows(t *rapid.T) []kindOfWindow {
	hours := func(label string, least, most int) time.Duration {
		return time.Duration(rapid.IntRange(least, most).Draw(t, label)) * interval
	}
	return []kindOfWindow{
		{"trailing", feature.Trailing(feature.Duration(hours("size", 1, 12)))},
		{"offset", feature.TimeWindow{
			WindowSize: feature.Duration(hours("size", 1, 6)), Offset: feature.Offset(-hours("offset", 1, 6)),
		}},
		{"lifetime", feature.Lifetime},
		{"series", feature.TimeWindow{
			WindowSize: feature.Duration(hours("size", 1, 3)), StepSize: feature.Duration(hours("step", 1, 4)),
			SeriesStart: feature.Offset(-hours("start", 6, 12)), SeriesEnd: feature.Offset(-hours("end", 0, 2)),
		}},
	}
}

func random(seed uint64) *rand.Rand { return rand.New(rand.NewPCG(seed, 0)) }
