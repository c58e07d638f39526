package retrieve

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"

	"github.com/tilery/tilery/pkg/aggregate"
	"github.com/tilery/tilery/pkg/feature"
	"github.com/tilery/tilery/pkg/record"
	"github.com/tilery/tilery/pkg/window"
)

// ErrSecondaryKeys is a window of an entity with more values of
// aggregation_secondary_key than feature.MaxSecondaryKeys.
var ErrSecondaryKeys = errors.New("too many values of aggregation_secondary_key")

// secondary numbers the values of aggregation_secondary_key in a batch.
type secondary struct {
	view   string
	fields []feature.Field // the one
	column int

	ids     map[string]int32
	encoded []string        // by id
	values  []feature.Value // by id
	last    []byte          // of the row before
	lastID  int32
	encoder *record.KeyEncoder
	scratch []byte

	found  []found
	counts []int32
}

// found is a value of the key that a window holds at an edge.
type found struct{ edge, id, group int32 }

func newSecondary(view string, fields []feature.Field, column int) *secondary {
	return &secondary{view: view, fields: fields, column: column, ids: map[string]int32{}}
}

func (s *secondary) begin() {
	clear(s.ids)
	s.encoded, s.values, s.last = s.encoded[:0], s.values[:0], s.last[:0]
}

// open goes on with the rows of a record.
func (s *secondary) open(rec arrow.Record) (err error) {
	s.encoder, err = record.NewKeyEncoder(s.fields, []arrow.Array{rec.Column(s.column)})
	return err
}

// id returns the number of a row's value.
func (s *secondary) id(row int) (int32, error) {
	s.scratch = s.encoder.Append(s.scratch[:0], row)
	if bytes.Equal(s.scratch, s.last) {
		return s.lastID, nil
	}
	id, ok := s.ids[string(s.scratch)]
	if !ok {
		value, err := record.DecodeKey(s.scratch, s.fields)
		if err != nil {
			return 0, fmt.Errorf("secondary key: %w", err)
		}
		id = int32(len(s.encoded))
		s.encoded, s.values = append(s.encoded, string(s.scratch)), append(s.values, value[0])
		s.ids[s.encoded[id]] = id
	}
	s.last, s.lastID = append(s.last[:0], s.scratch...), id
	return id, nil
}

// ranks returns, by id, the place of its bytes among all.
func (s *secondary) ranks() []int32 {
	order := make([]int32, len(s.encoded))
	for id := range order {
		order[id] = int32(id)
	}
	slices.SortFunc(order, func(a, b int32) int { return strings.Compare(s.encoded[a], s.encoded[b]) })
	ranks := make([]int32, len(order))
	for rank, id := range order {
		ranks[id] = int32(rank)
	}
	return ranks
}

func (s *secondary) appendKeys(builder array.Builder, ids []int32) error {
	builders := []array.Builder{builder}
	for _, id := range ids {
		if err := record.AppendColumns(builders, s.values[id:id+1]); err != nil {
			return err
		}
	}
	return nil
}

// fillByKey merges what a window holds at each edge of an entity, for each value of
// the secondary key by itself.
func (w *windows) fillByKey(t *timeWindow, key int32, edges []window.Time) error {
	s, tiles := w.secondary, &w.tiles
	w.placeEach(t, edges)
	w.groups = resized(w.groups, len(edges))
	s.counts = resized(s.counts, len(edges)+1)
	fill(s.counts, 0)
	s.found = s.found[:0]
	for from := tiles.firsts[key]; from < tiles.firsts[key+1]; {
		id, to := tiles.sorted[from].id, from+1
		for to < tiles.firsts[key+1] && tiles.sorted[to].id == id {
			to++
		}
		lo, hi := w.mergeIntervals(from, to, w.groups)
		for edge := lo; edge < hi; edge++ {
			group := w.groups[edge]
			if group < 0 {
				continue
			}
			if s.counts[edge+1]++; s.counts[edge+1] > feature.MaxSecondaryKeys {
				return fmt.Errorf("%w: %s has more than %d of %s in a window for an entity at %v. Shorten the window, or let the SQL keep fewer",
					ErrSecondaryKeys, s.view, feature.MaxSecondaryKeys, s.fields[0].Name, edges[edge])
			}
			s.found = append(s.found, found{int32(edge), id, group})
		}
		from = to
	}
	s.list(t)
	return nil
}

// list appends what was found at some edges to a window, edge by edge.
func (s *secondary) list(t *timeWindow) {
	offset := len(t.groups)
	t.groups = slices.Grow(t.groups, len(s.found))[:offset+len(s.found)]
	t.ids = slices.Grow(t.ids, len(s.found))[:offset+len(s.found)]
	for edge := range len(s.counts) - 1 {
		from := s.counts[edge]
		s.counts[edge+1] += from
		t.lists = append(t.lists, aggregate.Span{From: int32(offset) + from, To: int32(offset) + s.counts[edge+1]})
	}
	for _, f := range s.found {
		at := int32(offset) + s.counts[f.edge]
		t.groups[at], t.ids[at] = f.group, f.id
		s.counts[f.edge]++
	}
}
