package aggregate

import (
	"fmt"
	"slices"

	"github.com/apache/arrow/go/v15/arrow"

	"github.com/tilery/tilery/pkg/feature"
)

// Layout says which partial states a view's tiles hold and how its features
// finish from them. It is immutable and safe for concurrent use; the slices that
// it returns are the caller's.
type Layout struct {
	partials    []feature.Partial
	inputs      []feature.Field
	inputOf     []int // by partial: index in inputs
	fields      []arrow.Field
	firstColumn []int // by partial: index in fields; one more at the end
	finishers   []finisher
}

// NewLayout returns the layout that serves every aggregation. Aggregations of
// one column share their partials. The error names a column that schema lacks or
// a function does not take, or two tile columns of one name.
func NewLayout(aggregations []feature.Aggregation, schema feature.Schema) (*Layout, error) {
	partials, err := feature.Partials(aggregations, schema)
	if err != nil {
		return nil, err
	}
	l := &Layout{partials: partials}
	for _, p := range partials {
		if err := l.addPartial(p); err != nil {
			return nil, err
		}
	}
	l.firstColumn = append(l.firstColumn, len(l.fields))
	for _, a := range aggregations {
		f, err := newFinisher(a, schema, partials)
		if err != nil {
			return nil, err
		}
		l.finishers = append(l.finishers, f)
	}
	return l, nil
}

func (l *Layout) addPartial(p feature.Partial) error {
	states := newPartial(p)
	if states == nil {
		return fmt.Errorf("aggregation of %q: no partial state %s of %s", p.Column, p.Kind, p.Type)
	}
	input := feature.Field{Name: p.Column, Type: p.Type}
	at := slices.Index(l.inputs, input)
	if at < 0 {
		at = len(l.inputs)
		l.inputs = append(l.inputs, input)
	}
	l.inputOf = append(l.inputOf, at)
	l.firstColumn = append(l.firstColumn, len(l.fields))
	for _, field := range states.fields() {
		if slices.ContainsFunc(l.fields, func(f arrow.Field) bool { return f.Name == field.Name }) {
			return fmt.Errorf("aggregation of %q: another column's tiles have a column %q already, rename one of the two", p.Column, field.Name)
		}
		l.fields = append(l.fields, field)
	}
	return nil
}

// Partials returns the partial states of a tile, ordered by column and kind.
func (l *Layout) Partials() []feature.Partial { return slices.Clone(l.partials) }

// Inputs returns the columns that States.Add takes, each once, in the order of
// the partials.
func (l *Layout) Inputs() []feature.Field { return slices.Clone(l.inputs) }

// Fields returns the partial-state columns of a tile table, in the order of the
// partials: count_c; sum_c and sum_c_rest; sumsq_c and sumsq_c_rest; min_c; max_c;
// last_c and last_c_ts; last3_c and last3_c_ts and their kin, lists ascending by
// time; hll_c; ddsketch_c. Only count_c is never null.
//
// sum_c alone is the sum when it is exact. Else sum_c_rest, which starts with a
// version byte, holds what is missing: of an Int64 sum past 64 bits, where sum_c
// is null, all of it; of a Float64 sum the counts of NaN and infinities, and the
// exact sum less sum_c (all of it when sum_c is not finite). Both are null when no
// value went in. sumsq_c and sumsq_c_rest hold the sum of the squares likewise. A list may hold one value more
// than its function returns, see value_list.go.
func (l *Layout) Fields() []arrow.Field { return slices.Clone(l.fields) }

// OutputType returns the type of the feature that aggregation i, in the order
// given to NewLayout, finishes to.
func (l *Layout) OutputType(i int) feature.Type { return l.finishers[i].output }

// NewStates returns states of this layout without groups.
func (l *Layout) NewStates() *States {
	s := &States{layout: l}
	for _, p := range l.partials {
		s.partials = append(s.partials, newPartial(p))
	}
	return s
}
