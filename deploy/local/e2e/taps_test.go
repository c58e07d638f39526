package e2e_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// The feature table that is ingested into, and how many there are of what frames draw
// their rows from: so few that most rows have a tie, within a frame and with others.
const (
	tapsTable = "taps"
	tapsYAML  = `
kind: Entity
name: till
join_keys: [{name: card, type: Int64}, {name: shop, type: String}]
---
kind: FeatureTable
name: taps
entities: [till]
schema:
  - {name: card, type: Int64}
  - {name: shop, type: String}
  - {name: at, type: Timestamp}
  - {name: n, type: Int64}
  - {name: label, type: String}
online: true
offline: true
`
	tapsNow      = "2001-02-01T00:00:00Z"
	tapsCards    = 400
	tapsInstants = 16
	tapsRows     = 6000 // of a frame, which are more bytes than are read at once
)

var (
	tapsShops = []string{"a", "b", "c"}
	tapsFirst = time.Date(2000, 12, 10, 6, 0, 0, 0, time.UTC)
)

const tapsStep = 79 * time.Hour // through three months, which are as many files

// till is the key of a tap.
type till struct {
	card int64
	shop string
}

// spot is what a row replaces others at.
type spot struct {
	till
	at int64 // microseconds
}

// tap is a row of the table. n tells it from every other one.
type tap struct {
	spot
	n        int64
	label    string // empty: null
	sequence int64  // of its frame, once that is known
}

// drawTaps draws the rows of a frame, numbered from 1, in their order.
func drawTaps(seed uint64, frame int) []tap {
	random := rand.New(rand.NewPCG(seed, uint64(frame)))
	taps := make([]tap, tapsRows)
	for i := range taps {
		at := tapsFirst.Add(time.Duration(random.IntN(tapsInstants)) * tapsStep)
		taps[i] = tap{
			spot: spot{till{random.Int64N(tapsCards), tapsShops[random.IntN(len(tapsShops))]}, at.UnixMicro()},
			n:    int64(frame*tapsRows + i),
		}
		if random.IntN(3) > 0 {
			taps[i].label = fmt.Sprintf("row %d of frame %d, drawn at random", i, frame)
		}
	}
	return taps
}

// tapsCSV is a frame as it is sent.
func tapsCSV(taps []tap) string {
	var out strings.Builder
	out.WriteString("n,at,label,shop,card\n")
	for _, row := range taps {
		label := ""
		if row.label != "" {
			label = `"` + row.label + `"`
		}
		fmt.Fprintf(&out, "%d,%s,%s,%s,%d\n", row.n, time.UnixMicro(row.at).UTC().Format(time.RFC3339Nano), label, row.shop, row.card)
	}
	return out.String()
}

// tapsOracle knows what each store has to hold.
type tapsOracle struct {
	stored map[tap]bool // every row offline
	latest map[spot]tap // of those with equal keys and time, the one that counts
}

func newTapsOracle() *tapsOracle {
	return &tapsOracle{map[tap]bool{}, map[spot]tap{}}
}

// add takes a frame. Frames come in any order.
func (o *tapsOracle) add(taps []tap, sequence int64) {
	last := map[spot]tap{}
	for _, row := range taps {
		row.sequence = sequence
		last[row.spot] = row
	}
	for at, row := range last {
		o.stored[row] = true
		if row.sequence > o.latest[at].sequence {
			o.latest[at] = row
		}
	}
}

// asOf is the row that counts for a till at a time.
func (o *tapsOracle) asOf(key till, at time.Time) (row tap, ok bool) {
	for n := tapsInstants - 1; n >= 0; n-- {
		instant := tapsFirst.Add(time.Duration(n) * tapsStep)
		if row, ok = o.latest[spot{key, instant.UnixMicro()}]; ok && !instant.After(at) {
			return row, true
		}
	}
	return tap{}, false
}

// features are the label and n of asOf, as JSON has them: null where there is none.
func (o *tapsOracle) features(key till, at time.Time) string {
	row, ok := o.asOf(key, at)
	switch {
	case !ok:
		return "null null"
	case row.label == "":
		return fmt.Sprintf("null %d", row.n)
	}
	return fmt.Sprintf("%q %d", row.label, row.n)
}

func allTills() (all []till) {
	for card := range int64(tapsCards) {
		for _, shop := range tapsShops {
			all = append(all, till{card, shop})
		}
	}
	return all
}

// foreignTaps are the rows of the table as DuckDB reads them, each once.
func foreignTaps(t *testing.T, dir, file string) map[tap]bool {
	t.Helper()
	out := map[tap]bool{}
	for _, row := range query(t, file, "table="+table(t, dir), "extension="+extension) {
		read := tap{spot{till{integer(t, row[0]), row[1].(string)}, integer(t, row[2])}, integer(t, row[3]), "", integer(t, row[5])}
		read.label, _ = row[4].(string)
		require.False(t, out[read], "%+v stands twice in the table", read)
		out[read] = true
	}
	return out
}

// requireTaps compares without printing what is equal.
func requireTaps(t *testing.T, want, got map[tap]bool) {
	t.Helper()
	missing := func(of, in map[tap]bool) []tap {
		return slices.DeleteFunc(slices.Collect(maps.Keys(of)), func(row tap) bool { return in[row] })
	}
	lost, added := missing(want, got), missing(got, want)
	require.Empty(t, lost[:min(3, len(lost))], "%d of %d rows are lost", len(lost), len(want))
	require.Empty(t, added[:min(3, len(added))], "%d of %d rows should not be there", len(added), len(got))
}

// text renders a feature of an answer as features does. An Int64 is a decimal string online.
func text(t *testing.T, feature any) string {
	t.Helper()
	if digits, ok := feature.(string); ok && json.Valid([]byte(digits)) {
		return digits
	}
	out, err := json.Marshal(feature)
	require.NoError(t, err)
	return string(out)
}
