package retrieve

import (
	"slices"
	"time"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"

	"github.com/tilery/tilery/pkg/feature"
	"github.com/tilery/tilery/pkg/materialize"
	"github.com/tilery/tilery/pkg/record"
	"github.com/tilery/tilery/pkg/window"
)

// latest joins a view that stores rows: each instant gets the latest row before its
// edge. Rows of one key and time lie in one file, in the order of their content, and
// the last one counts, as it does online. In a feature table there is one in a file and
// may be more in others, of which that of the last ingest counts.
type latest struct {
	keys            int // columns of the table before the time
	delay, schedule time.Duration
	ttl             time.Duration // 0: rows stay
	start           window.Time   // rows before it are none

	ordered bool // rows have a sequence: a feature table

	names []string         // of the columns that are read of features
	types []arrow.DataType // of them
	from  []int            // by feature of the part: its column

	batch *keyBatch
	edges []window.Time   // by row of the batch
	found []latestRow     // by row of the batch
	taken [][]arrow.Array // by column: what was taken of each record
	rows  []int32         // scratch: of a record, to take
	at    []record.Place  // scratch
}

// latestRow is the latest row so far.
type latestRow struct {
	time     window.Time
	sequence int64        // 0 where rows have none
	place    record.Place // in what was taken; negative: no row
}

func newLatest(target *materialize.Target, features []int) *latest {
	view := target.View
	l := &latest{
		keys: len(target.Keys), delay: view.DataDelay(), schedule: view.Schedule(),
		ttl: time.Duration(view.TTL), start: view.FeatureStartTime, ordered: view.Ingested,
	}
	for _, i := range features {
		field := target.Features[i]
		column := slices.Index(l.names, field.Name)
		if column < 0 {
			column = len(l.names)
			l.names = append(l.names, field.Name)
			l.types = append(l.types, record.ArrowType(field.Type))
		}
		l.from = append(l.from, column)
	}
	l.taken = make([][]arrow.Array, len(l.names))
	return l
}

func (l *latest) columns() []string {
	if l.ordered {
		return append(slices.Clone(l.names), feature.IngestSequence)
	}
	return l.names
}

// sequences returns those of a record's rows; nil: they have none.
func (l *latest) sequences(rec arrow.Record) []int64 {
	if !l.ordered {
		return nil
	}
	return rec.Column(l.keys + 1 + len(l.names)).(*array.Int64).Int64Values()
}

// edge is the view's CompleteEnd: rows before it count at the instant.
func (l *latest) edge(at window.Time) window.Time { return at.Add(-l.delay).Floor(l.schedule) }

// expired reports whether a row has expired where the edge is. Its view's Expires is
// floor(row + ttl) + schedule + delay, which the instant has reached just when the
// edge, a multiple of the schedule, is past row + ttl.
func (l *latest) expired(row, edge window.Time) bool { return l.ttl != 0 && row.Add(l.ttl) < edge }

func (l *latest) needs(at window.Time) window.Interval {
	edge := l.edge(at)
	start := l.start
	if l.ttl != 0 {
		start = max(start, edge.Add(-l.ttl))
	}
	return window.Interval{Start: start.Floor(l.schedule), End: edge}
}

func (l *latest) begin(b *keyBatch) {
	l.batch = b
	l.edges, l.found = l.edges[:0], l.found[:0]
	for _, at := range b.times {
		l.edges = append(l.edges, l.edge(at))
		l.found = append(l.found, latestRow{place: -1})
	}
	for i := range l.taken {
		l.taken[i] = l.taken[i][:0]
	}
}

func (l *latest) add(rec arrow.Record, rows, keys []int32) error {
	times := rec.Column(l.keys).(*array.Timestamp).TimestampValues()
	sequences := l.sequences(rec)
	l.rows = l.rows[:0]
	for from := 0; from < len(rows); {
		to := from + 1
		for to < len(rows) && keys[to] == keys[from] {
			to++
		}
		l.addKey(keys[from], rows[from:to], times, sequences)
		from = to
	}
	if len(l.rows) == 0 {
		return nil
	}
	for i := range l.taken {
		column, err := record.Take(rec.Column(l.keys+1+i), l.rows)
		if err != nil {
			return err
		}
		l.taken[i] = append(l.taken[i], column)
	}
	return nil
}

// addKey looks for the latest row of each instant of a key; both ascend.
func (l *latest) addKey(key int32, rows []int32, times []arrow.Timestamp, sequences []int64) {
	chunk := int32(len(l.taken[0]))
	next, last := 0, -1
	for i := l.batch.firsts[key]; i < l.batch.firsts[key+1]; i++ {
		for next < len(rows) && window.Time(times[rows[next]]) < l.edges[i] {
			next++
		}
		if next == 0 {
			continue
		}
		row := rows[next-1]
		found := latestRow{time: window.Time(times[row])}
		if sequences != nil {
			found.sequence = sequences[row]
		}
		if l.found[i].place >= 0 && found.before(l.found[i]) {
			continue
		}
		if last != next {
			l.rows, last = append(l.rows, row), next
		}
		found.place = record.PlaceOf(chunk, int32(len(l.rows)-1))
		l.found[i] = found
	}
}

func (r latestRow) before(other latestRow) bool {
	return r.time < other.time || r.time == other.time && r.sequence < other.sequence
}

func (l *latest) end() ([]arrow.Array, error) {
	l.at = l.at[:0]
	for i, row := range l.found {
		if row.place >= 0 && (row.time < l.start || l.expired(row.time, l.edges[i])) {
			row.place = -1
		}
		l.at = append(l.at, row.place)
	}
	columns := make([]arrow.Array, len(l.taken))
	for i, taken := range l.taken {
		if len(taken) == 0 {
			columns[i] = nulls(l.types[i], len(l.at))
			continue
		}
		var err error
		if columns[i], err = record.TakeChunks(taken, l.at); err != nil {
			return nil, err
		}
	}
	features := make([]arrow.Array, len(l.from))
	for i, column := range l.from {
		features[i] = columns[column]
	}
	return features, nil
}
