package aggregate

import (
	"fmt"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
)

// States holds the partial states of a layout for the groups 0 to Len()-1. It is
// not safe for concurrent use. Group numbers are the caller's; one that is not
// below Len panics.
type States struct {
	layout   *Layout
	partials []partial
	present  []bool
	masked   []int32 // scratch of Add
	wide     widener // scratch of Add
}

// Grow makes sure that there are at least n groups; new ones are empty.
func (s *States) Grow(n int) {
	s.present = extend(s.present, n)
	for _, p := range s.partials {
		p.grow(n)
	}
}

// Len returns the number of groups.
func (s *States) Len() int { return len(s.present) }

// Reset drops all groups and keeps their memory for the next.
func (s *States) Reset() {
	s.present = s.present[:0]
	for _, p := range s.partials {
		p.reset()
	}
}

// Bytes is the memory that the groups take: a function of what went in. As much
// as half of it is held besides for groups to come, and what Reset dropped.
func (s *States) Bytes() int64 {
	total := bytesOf(s.present)
	for _, p := range s.partials {
		total += p.bytes()
	}
	return total
}

// Present reports whether a row or a tile went into the group.
func (s *States) Present(group int) bool { return s.present[group] }

// Add puts row i of every input, which happened at times[i], into groups[i]; a
// negative group leaves the row out. The inputs have the order, and the Arrow types of, Layout.Inputs; one that
// is only counted may have any type. A row of nulls still makes its group Present.
// Nothing of the arrays is kept.
func (s *States) Add(groups []int32, times []arrow.Timestamp, inputs []arrow.Array) {
	if len(inputs) != len(s.layout.inputs) {
		panic(fmt.Sprintf("aggregate: %d inputs, the layout has %d", len(inputs), len(s.layout.inputs))) //nolint:forbidigo // the caller is wrong
	}
	if len(times) != len(groups) {
		panic(fmt.Sprintf("aggregate: %d times for %d groups", len(times), len(groups))) //nolint:forbidigo // the caller is wrong
	}
	s.mark(groups)
	masked, input := groups, -1
	for i, p := range s.partials {
		// Partials of one column are neighbours and share its mask.
		if at := s.layout.inputOf[i]; at != input {
			input = at
			if inputs[at].Len() != len(groups) {
				panic(fmt.Sprintf("aggregate: input %s has %d rows for %d groups", s.layout.inputs[at].Name, inputs[at].Len(), len(groups))) //nolint:forbidigo // the caller is wrong
			}
			s.masked, masked = maskNulls(s.masked, groups, inputs[at])
			s.wide.reset()
		}
		values := inputs[input]
		if own := s.layout.partials[i]; widened(own) != own {
			values = s.wide.of(values)
		}
		p.add(masked, times, values)
	}
}

// Merge adds a group of from, which has the same layout and may be s itself.
// from does not change.
func (s *States) Merge(group int, from *States, fromGroup int) {
	if !from.present[fromGroup] {
		return
	}
	s.present[group] = true
	for i, p := range s.partials {
		p.merge(group, from.partials[i], fromGroup)
	}
}

// mergePairs does merges in order.
func (s *States) mergePairs(pairs []pair) {
	for _, m := range pairs {
		s.present[m.into] = s.present[m.into] || s.present[m.from]
	}
	for _, p := range s.partials {
		if p, ok := p.(pairsMerger); ok {
			p.mergePairs(pairs)
			continue
		}
		for _, m := range pairs {
			p.merge(int(m.into), p, int(m.from))
		}
	}
}

// MergeColumns adds rows of a tile table, columns in the order of Layout.Fields:
// row i goes into groups[i], and a negative group leaves it out. Columns that
// AppendColumns cannot have written are ErrDamaged.
func (s *States) MergeColumns(groups []int32, columns []arrow.Array) error {
	if len(columns) != len(s.layout.fields) {
		return fmt.Errorf("merge tiles: %w: %d columns, want %d", ErrDamaged, len(columns), len(s.layout.fields))
	}
	for i, field := range s.layout.fields {
		if !arrow.TypeEqual(columns[i].DataType(), field.Type) {
			return fmt.Errorf("merge tiles: %w: column %s is %s, want %s", ErrDamaged, field.Name, columns[i].DataType(), field.Type)
		}
		if columns[i].Len() != len(groups) {
			return fmt.Errorf("merge tiles: %w: column %s has %d rows, want %d", ErrDamaged, field.Name, columns[i].Len(), len(groups))
		}
	}
	s.mark(groups)
	for i, p := range s.partials {
		first, end := s.layout.firstColumn[i], s.layout.firstColumn[i+1]
		if err := p.mergeColumns(groups, columns[first:end]); err != nil {
			return fmt.Errorf("merge tile column %s: %w", s.layout.fields[first].Name, err)
		}
	}
	return nil
}

// AppendColumns writes one tile row for each of groups, all Present, to builders
// in the order of Layout.Fields.
func (s *States) AppendColumns(groups []int32, builders []array.Builder) {
	for _, g := range groups {
		s.mustBePresent(int(g))
	}
	for i, p := range s.partials {
		p.appendColumns(groups, builders[s.layout.firstColumn[i]:s.layout.firstColumn[i+1]])
	}
}

func (s *States) mark(groups []int32) {
	for _, g := range groups {
		if g >= 0 {
			s.present[g] = true
		}
	}
}

// mustBePresent guards what is written: read back, every tile is present.
func (s *States) mustBePresent(group int) {
	if !s.present[group] {
		panic(fmt.Sprintf("aggregate: group %d is written but nothing went in", group)) //nolint:forbidigo // the caller is wrong
	}
}
