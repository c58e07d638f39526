package retrieve

import (
	"bytes"
	"fmt"
	"slices"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"

	"github.com/tilery/tilery/pkg/feature"
	"github.com/tilery/tilery/pkg/record"
	"github.com/tilery/tilery/pkg/window"
)

// segments make of rows, sorted by keys and time, for how long each has its features.
// Rows are the keys, a time, and the features; what follows is passed over.
type segments struct {
	result feature.Schema // the keys, the features, from, to
	keys   int
	valid  func(window.Time) window.Interval // of a row with that time, were there no later one
	counts []bool                            // by feature: zero is as good as null
	within window.Interval
	fn     func(arrow.Record) error

	carried           arrow.Record // the rows of open and next from earlier records
	open, next, spare *segment     // next was not yet compared with open
	rows              int64

	places   []record.Place // of the segments to hand out
	from, to []window.Time
}

// segment is a time in which a key has the same features.
type segment struct {
	set        bool
	key, value []byte
	place      record.Place // in carried and the record at hand
	valid      window.Interval
	empty      bool // no feature is known
}

func newSegments(part Part, result feature.Schema, within window.Interval, fn func(arrow.Record) error) *segments {
	view := part.Target.View
	s := &segments{result: result, keys: len(part.Keys), within: within, fn: fn, open: &segment{}, next: &segment{}, spare: &segment{}}
	for _, column := range part.Features {
		i := column.Feature
		s.counts = append(s.counts, i < len(view.Aggregations) && view.Aggregations[i].Function == feature.Count &&
			!view.Aggregations[i].TimeWindow.IsSeries() && view.AggregationSecondaryKey == "")
	}
	s.valid = func(from window.Time) window.Interval { return window.Interval{Start: from, End: never} }
	if !view.Aggregated() {
		s.valid = func(row window.Time) window.Interval {
			expires, ok := view.Expires(row)
			if !ok {
				expires = never
			}
			return window.Interval{Start: view.Effective(row), End: expires}
		}
	}
	return s
}

// add takes the next rows. The record is valid until add returns.
func (s *segments) add(rec arrow.Record) error {
	features := rec.Columns()[s.keys+1 : s.keys+1+len(s.counts)]
	keys, err := record.NewRowEncoder(s.result[:s.keys], rec.Columns()[:s.keys])
	if err != nil {
		return err
	}
	values, err := record.NewRowEncoder(s.result[s.keys:s.keys+len(s.counts)], features)
	if err != nil {
		return err
	}
	for row, at := range rec.Column(s.keys).(*array.Timestamp).TimestampValues() {
		own := s.spare
		*own = segment{
			set: true, key: keys.Append(own.key[:0], row), value: values.Append(own.value[:0], row),
			place: record.PlaceOf(1, int32(row)), valid: s.valid(window.Time(at)), empty: s.isEmpty(features, row),
		}
		if s.next.set && s.next.valid.Start == own.valid.Start && bytes.Equal(s.next.key, own.key) {
			s.next, s.spare = own, s.next // the later one is all that is ever seen
			continue
		}
		s.commit()
		s.next, s.spare = own, s.next
	}
	return s.handOut(rec)
}

func (s *segments) isEmpty(features []arrow.Array, row int) bool {
	for i, column := range features {
		if column.IsNull(row) || s.counts[i] && column.(*array.Int64).Value(row) == 0 {
			continue
		}
		return false
	}
	return true
}

// commit puts next behind open, of which it may be the continuation. Next is free then.
func (s *segments) commit() {
	if !s.next.set {
		return
	}
	if s.open.set && bytes.Equal(s.open.key, s.next.key) {
		if s.open.valid.End >= s.next.valid.Start && bytes.Equal(s.open.value, s.next.value) {
			s.open.valid.End = s.next.valid.End
			return
		}
		s.open.valid.End = min(s.open.valid.End, s.next.valid.Start)
	}
	s.finish()
	s.open, s.next = s.next, s.open
}

// finish has open handed out.
func (s *segments) finish() {
	valid := s.open.valid.Intersect(s.within)
	if !s.open.set || s.open.empty || valid.Empty() {
		return
	}
	s.places = append(s.places, s.open.place)
	s.from, s.to = append(s.from, valid.Start), append(s.to, valid.End)
}

// handOut hands out what is finished and keeps the rows that are not from a record
// that goes away.
func (s *segments) handOut(rec arrow.Record) error {
	records := []arrow.Record{s.carried, rec}
	if s.carried == nil {
		records[0] = rec
	}
	if len(s.places) > 0 {
		if err := s.write(records); err != nil {
			return err
		}
	}
	var kept []record.Place
	for _, own := range []*segment{s.open, s.next} {
		if own.set {
			kept = append(kept, own.place)
			own.place = record.PlaceOf(0, int32(len(kept)-1))
		}
	}
	carried, err := takeRecord(records, kept)
	if err != nil {
		return err
	}
	s.carried = carried
	return nil
}

func (s *segments) write(records []arrow.Record) error {
	rec, err := takeRecord(records, s.places)
	if err != nil {
		return err
	}
	defer rec.Release()
	columns := slices.Delete(slices.Clone(rec.Columns()), s.keys, s.keys+1)[:len(s.result)-2]
	columns = append(columns, timeColumn(s.from), timeColumn(s.to))
	out := array.NewRecord(record.ArrowSchema(s.result), columns, int64(len(s.places)))
	defer out.Release()
	s.rows += out.NumRows()
	s.places, s.from, s.to = s.places[:0], s.from[:0], s.to[:0]
	return s.fn(out)
}

// close hands out the rest.
func (s *segments) close() error {
	if s.carried == nil {
		return nil
	}
	s.commit()
	s.finish()
	s.open.set, s.next.set = false, false
	if err := s.handOut(s.carried); err != nil {
		return fmt.Errorf("the last rows: %w", err)
	}
	return nil
}
