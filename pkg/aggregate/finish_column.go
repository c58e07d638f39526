package aggregate

import (
	"github.com/apache/arrow/go/v15/arrow/array"

	"github.com/tilery/tilery/pkg/feature"
)

// integers and floats are partials that are a number of a group; false: no value
// went in, or the number does not fit.
type (
	integers interface {
		int64Value(group int) (int64, bool)
	}
	floats interface {
		float64Value(group int) (float64, bool)
	}
)

// means is a mean as a partial that is a number.
type means struct {
	counts *counts
	sums   averager
}

func (m means) float64Value(group int) (float64, bool) {
	count := m.counts.of[group]
	if count == 0 {
		return 0, false
	}
	return m.sums.mean(group, count), true
}

// FinishColumn appends what Finish returns of an aggregation for each of groups to a
// builder of its OutputType, null for a negative one, without making a Value of each.
// It does so for what is an Int64 or Float64 and quick to compute; false: it is
// something else, and nothing was appended.
func (s *States) FinishColumn(builder array.Builder, groups []int32, aggregation int) bool {
	f := s.layout.finishers[aggregation]
	switch builder := builder.(type) {
	case *array.Int64Builder:
		if p, ok := s.partials[f.partials[0]].(integers); ok && f.output == feature.Int64 && len(f.partials) == 1 {
			s.finishIntegers(builder, groups, p)
			return true
		}
	case *array.Float64Builder:
		var p floats
		switch f.function {
		case feature.Mean:
			p = means{s.partials[f.partials[0]].(*counts), s.partials[f.partials[1]].(averager)}
		case feature.Sum, feature.Min, feature.Max:
			p, _ = s.partials[f.partials[0]].(floats)
		}
		if p != nil && f.output == feature.Float64 {
			s.finishFloats(builder, groups, p)
			return true
		}
	}
	return false
}

func (s *States) finishIntegers(builder *array.Int64Builder, groups []int32, p integers) {
	builder.Reserve(len(groups))
	for _, g := range groups {
		if g >= 0 && s.present[g] {
			if v, ok := p.int64Value(int(g)); ok {
				builder.UnsafeAppend(v)
				continue
			}
		}
		builder.UnsafeAppendBoolToBitmap(false)
	}
}

func (s *States) finishFloats(builder *array.Float64Builder, groups []int32, p floats) {
	builder.Reserve(len(groups))
	for _, g := range groups {
		if g >= 0 && s.present[g] {
			if v, ok := p.float64Value(int(g)); ok {
				builder.UnsafeAppend(v)
				continue
			}
		}
		builder.UnsafeAppendBoolToBitmap(false)
	}
}
