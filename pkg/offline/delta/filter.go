package delta

import (
	"bytes"
	"context"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"

	"github.com/tilery/tilery/pkg/feature"
	"github.com/tilery/tilery/pkg/internal/gallop"
	"github.com/tilery/tilery/pkg/keyset"
	"github.com/tilery/tilery/pkg/offline"
	"github.com/tilery/tilery/pkg/record"
	"github.com/tilery/tilery/pkg/window"
)

// span is the rows [from, to) of a record.
type span struct{ from, to int }

// rowFilter tells which rows of a file stay, by their keys and times. It may be used by
// several goroutines.
type rowFilter interface {
	// columns returns how many of the table's first columns are needed.
	columns() int
	// kept appends the rows that stay, in order, no two spans touching.
	kept(columns []arrow.Array, spans []span) ([]span, error)
	// mayDrop reports whether some row may go, whose first key is within bounds.
	mayDrop(b offline.KeyBounds) bool
}

// keep adds rows after the others.
func keep(spans []span, from, to int) []span {
	if last := len(spans) - 1; last >= 0 && spans[last].to == from {
		spans[last].to = to
		return spans
	}
	return append(spans, span{from, to})
}

func rowsOf(spans []span) (rows int) {
	for _, s := range spans {
		rows += s.to - s.from
	}
	return rows
}

// outsideWindows keeps the rows outside of windows.
type outsideWindows struct {
	windows window.Set
	time    int // the column
}

func (o outsideWindows) columns() int                   { return o.time + 1 }
func (o outsideWindows) mayDrop(offline.KeyBounds) bool { return true }

func (o outsideWindows) kept(columns []arrow.Array, spans []span) ([]span, error) {
	for row, t := range columns[o.time].(*array.Timestamp).TimestampValues() {
		at := window.Time(t)
		if !o.windows.Covers(window.Interval{Start: at, End: at + 1}) {
			spans = keep(spans, row, row+1)
		}
	}
	return spans, nil
}

// withoutKeys keeps the rows of keys that are not in a set. Rows are sorted by key, as
// the set is, so each is searched in the other from where the last search ended.
type withoutKeys struct {
	keys   *keyset.Set
	fields []feature.Field // of a key
}

func (w withoutKeys) columns() int                     { return len(w.fields) }
func (w withoutKeys) mayDrop(b offline.KeyBounds) bool { return b.MayHoldAny(w.keys) }

func (w withoutKeys) kept(columns []arrow.Array, spans []span) ([]span, error) {
	encoder, err := record.NewKeyEncoder(w.fields, columns)
	if err != nil {
		return nil, err
	}
	var key []byte
	rows := columns[0].Len()
	// next returns the first row from one on whose key is past the given one, or is it.
	next := func(from int, of []byte, past int) int {
		return from + gallop.Search(rows-from, func(i int) bool {
			key = encoder.Append(key[:0], from+i)
			return bytes.Compare(key, of) >= past
		})
	}
	for row := 0; row < rows; {
		key = encoder.Append(key[:0], row)
		i := w.keys.Search(key)
		if i == w.keys.Len() {
			return keep(spans, row, rows), nil
		}
		erased := w.keys.Key(i)
		if from := next(row, erased, 0); from > row {
			spans = keep(spans, row, from)
			row = from
		}
		row = next(row, erased, 1)
	}
	return spans, nil
}

// beforeFences keeps the rows whose keys no fence holds.
type beforeFences struct {
	keys []feature.Field
	sets []fenceSet
}

type fenceSet struct {
	fields int
	keys   *keyset.Hashed
}

func (t *table) fenceFilter(ctx context.Context, fences []fence) (rowFilter, error) {
	out := beforeFences{keys: t.spec.Keys}
	for _, f := range fences {
		keys, err := t.loadFence(ctx, f)
		if err != nil {
			return nil, err
		}
		out.sets = append(out.sets, fenceSet{f.fields, keys})
	}
	return out, nil
}

func (b beforeFences) columns() int                   { return len(b.keys) }
func (b beforeFences) mayDrop(offline.KeyBounds) bool { return true }

func (b beforeFences) kept(columns []arrow.Array, spans []span) ([]span, error) {
	all, err := record.NewKeyEncoder(b.keys, columns)
	if err != nil {
		return nil, err
	}
	parts := make([]*record.KeyEncoder, len(b.sets))
	for i, set := range b.sets {
		if parts[i], err = record.NewKeyEncoder(b.keys[:set.fields], columns[:set.fields]); err != nil {
			return nil, err
		}
	}
	var last, key, part []byte
	erased := false
	for row := range columns[0].Len() {
		if key = all.Append(key[:0], row); row == 0 || !bytes.Equal(key, last) {
			erased = false
			for i, set := range b.sets {
				part = parts[i].Append(part[:0], row)
				erased = erased || set.keys.Contains(part)
			}
		}
		if !erased {
			spans = keep(spans, row, row+1)
		}
		last, key = key, last
	}
	return spans, nil
}
