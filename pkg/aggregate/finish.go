package aggregate

import (
	"fmt"
	"slices"

	"github.com/tilery/tilery/pkg/feature"
)

// finisher says what one aggregation is computed from.
type finisher struct {
	function feature.Function
	output   feature.Type
	partials []int // of the layout, ordered by kind

	percentile float64 // of approx_percentile, parsed once
}

func newFinisher(a feature.Aggregation, schema feature.Schema, partials []feature.Partial) (finisher, error) {
	own, err := feature.Partials([]feature.Aggregation{a}, schema)
	if err != nil {
		return finisher{}, err
	}
	output, err := a.Function.Output(own[0].Type)
	if err != nil {
		return finisher{}, fmt.Errorf("aggregation of %q: %w", a.Column, err)
	}
	f := finisher{function: a.Function, output: output, percentile: a.Function.Percentile()}
	for _, p := range own {
		f.partials = append(f.partials, slices.Index(partials, p))
	}
	return f, nil
}

// averager is a partial that a mean finishes from.
type averager interface {
	// mean returns the sum of a group divided by count > 0, rounded once.
	mean(group int, count int64) float64
}

// Finish returns the feature of an aggregation, in the order given to NewLayout,
// for a group. It is null when the group is not Present, when only nulls went in
// (but a count is 0 then), and for an Int64 sum that does not fit 64 bits.
func (s *States) Finish(group, aggregation int) feature.Value {
	if !s.present[group] {
		return feature.Null
	}
	f := s.layout.finishers[aggregation]
	switch f.function {
	case feature.Mean:
		count := s.partials[f.partials[0]].(*counts).of[group]
		if count == 0 {
			return feature.Null
		}
		return feature.Float64Value(s.partials[f.partials[1]].(averager).mean(group, count))
	case feature.VarPop, feature.VarSamp, feature.StddevPop, feature.StddevSamp:
		return s.variance(f, group)
	default:
		if p, ok := s.partials[f.partials[0]].(*distributions); ok {
			return p.quantile(group, f.percentile)
		}
		return s.partials[f.partials[0]].value(group)
	}
}
