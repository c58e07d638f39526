package aggregate

import (
	"math"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
)

func (p *float64Sums) appendColumns(groups []int32, builders []array.Builder) {
	sums, rests := builders[0].(*array.Float64Builder), builders[1].(*array.BinaryBuilder)
	var buffer []byte
	for _, g := range groups {
		s := &p.of[g]
		if !s.seen {
			sums.AppendNull()
			rests.AppendNull()
			continue
		}
		sum, rest, ok := s.pair()
		if ok && rest == 0 {
			sums.Append(sum)
			rests.AppendNull()
			continue
		}
		var missing float64Total
		if ok {
			missing.finite.add(rest)
		} else {
			sum, missing = p.split(int(g))
		}
		sums.Append(sum)
		if missing == (float64Total{}) {
			rests.AppendNull()
			continue
		}
		buffer = missing.append(append(buffer[:0], encodingVersion))
		rests.Append(buffer)
	}
}

// split returns the sum rounded, and what that leaves out.
func (p *float64Sums) split(group int) (sum float64, missing float64Total) {
	missing = p.total(group)
	sum = missing.nearest()
	if isFinite(sum) {
		missing.finite.add(-sum)
	}
	return sum, missing
}

func (p *float64Sums) mergeColumns(groups []int32, columns []arrow.Array) error {
	sums, rests := columns[0].(*array.Float64), columns[1].(*array.Binary)
	for i, g := range groups {
		switch {
		case g < 0 || sums.IsNull(i) && rests.IsNull(i):
		case sums.IsNull(i):
			return damaged("row %d: a rest without a sum", i)
		case !rests.IsNull(i):
			if err := p.mergeSplit(int(g), sums.Value(i), rests.Value(i)); err != nil {
				return err
			}
		case isFinite(sums.Value(i)):
			p.addValue(int(g), sums.Value(i))
		default:
			return damaged("row %d: the sum is %g and has no rest", i, sums.Value(i))
		}
	}
	return nil
}

// mergeSplit undoes split.
func (p *float64Sums) mergeSplit(group int, sum float64, rest []byte) error {
	rest, err := cutVersion(rest)
	if err != nil {
		return err
	}
	var t float64Total
	_, rest, err = t.cut(rest)
	if err != nil {
		return err
	}
	if t == (float64Total{}) || len(rest) != 0 {
		return damaged("a rest that is not needed")
	}
	if isFinite(sum) {
		t.finite.add(sum)
	}
	if again := t.nearest(); again != sum && !(math.IsNaN(again) && math.IsNaN(sum)) {
		return damaged("the sum is %g, with its rest it is %g", sum, again)
	}
	p.mergeTotal(group, &t)
	return nil
}

func isFinite(x float64) bool { return math.Abs(x) <= math.MaxFloat64 }
