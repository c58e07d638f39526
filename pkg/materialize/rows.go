package materialize

import (
	"errors"
	"fmt"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"

	"github.com/tilery/tilery/pkg/internal/rowsort"
	"github.com/tilery/tilery/pkg/internal/spill"
	"github.com/tilery/tilery/pkg/window"
)

// recordBytes is about how much a record holds at most that goes to the offline writer.
const recordBytes = 8 << 20

// rowSorter holds the rows of one or more windows, and hands out those of a window
// sorted by key, time and canonical bytes: two builds of the same rows write the
// same files. Rows of one key and time are all kept.
type rowSorter struct {
	target *Target
	span   window.Interval
	rows   *rowsort.Sorter
}

func newRowSorter(t *Target, maxBytes int64, runs *spill.Runs) *rowSorter {
	s := &rowSorter{target: t}
	s.rows = rowsort.New(rowsort.Spec{
		Keys: t.View.JoinKeys(), Values: t.Features, Schema: t.Table(0).Schema, Part: s.windowOf,
	}, maxBytes, runs)
	return s
}

func (s *rowSorter) windowOf(at window.Time) int32 {
	return int32(at.Sub(s.span.Start) / s.target.View.Schedule())
}

func (s *rowSorter) reset(span window.Interval) error {
	s.span = span
	return s.rows.Reset()
}

func (s *rowSorter) release() { s.rows.Close() }

// add takes the rows of a record whose columns are the join keys, the timestamp,
// and the features.
func (s *rowSorter) add(rec arrow.Record) error {
	if times, ok := rec.Column(len(s.target.View.JoinKeys())).(*array.Timestamp); ok {
		for row, at := range times.TimestampValues() {
			if !s.span.Contains(window.Time(at)) {
				return fmt.Errorf("row %d at %v lies outside %v", row, window.Time(at), s.span)
			}
		}
	}
	if err := s.rows.Add(rec); err != nil {
		return fmt.Errorf("rows of %s: %w", s.target.View.Name, tooLarge(err))
	}
	return nil
}

// write hands the rows of a window to write, in order.
func (s *rowSorter) write(w window.Interval, _ *arrow.Schema, write func(arrow.Record) error) error {
	return tooLarge(s.rows.Write(s.windowOf(w.Start), write))
}

// tooLarge marks an error as ErrTooLarge when a row, or all of them together, had no room.
func tooLarge(err error) error {
	if errors.Is(err, rowsort.ErrTooLarge) {
		return fmt.Errorf("%w: %w", ErrTooLarge, err)
	}
	return full(err)
}
