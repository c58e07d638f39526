package aggregate

import (
	"math"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"

	"github.com/tilery/tilery/pkg/feature"
)

// float64Sums holds the exact sum of each group; see float64Total for how it is
// encoded.
type float64Sums struct {
	column string
	of     []float64Sum
	wide   []float64Total // what the parts of some groups could not hold
}

// float64Sum stands for the exact sum of its parts and of wide. The parts may
// overlap in any way.
type float64Sum struct {
	parts [3]float64
	wide  uint32 // 1 + index in float64Sums.wide, 0 for none
	seen  bool
}

// maxPart bounds what is added to the parts, so that maxRows additions cannot
// overflow them.
const maxPart = 0x1p960

// twoSum returns a+b rounded, and the exact rest. It is exact for all a and b
// whose sum does not overflow, subnormal ones too (Knuth).
func twoSum(a, b float64) (sum, rest float64) {
	sum = a + b
	bRounded := sum - a
	rest = (a - (sum - bRounded)) + (b - bRounded)
	return sum, rest
}

func (p *float64Sums) fields() []arrow.Field {
	return sumFields("sum_"+p.column, arrow.PrimitiveTypes.Float64)
}

func (p *float64Sums) grow(n int) { p.of = extend(p.of, n) }

func (p *float64Sums) reset() { p.of, p.wide = p.of[:0], p.wide[:0] }

func (p *float64Sums) bytes() int64 { return bytesOf(p.of) + bytesOf(p.wide) }

func (p *float64Sums) add(groups []int32, _ []arrow.Timestamp, values arrow.Array) {
	for i, v := range values.(*array.Float64).Float64Values() {
		if g := groups[i]; g >= 0 {
			p.addValue(int(g), v)
		}
	}
}

// addValue cascades the rounding errors down the parts: the first holds the
// running sum, the second the errors of that, the third the errors of those.
func (p *float64Sums) addValue(group int, v float64) {
	s := &p.of[group]
	s.seen = true
	if !(math.Abs(v) < maxPart) {
		p.addWide(group, v)
		return
	}
	var rest float64
	if s.parts[0], rest = twoSum(s.parts[0], v); rest == 0 {
		return
	}
	if s.parts[1], rest = twoSum(s.parts[1], rest); rest == 0 {
		return
	}
	if s.parts[2], rest = twoSum(s.parts[2], rest); rest != 0 {
		p.addWide(group, rest)
	}
}

func (p *float64Sums) addWide(group int, v float64) {
	wide := p.wideOf(group)
	if math.IsNaN(v) || math.IsInf(v, 0) {
		wide.addSpecial(v)
		return
	}
	wide.finite.add(v)
}

// wideOf returns the wide sum of a group, for as long as no other is made.
func (p *float64Sums) wideOf(group int) *float64Total {
	s := &p.of[group]
	if s.wide == 0 {
		p.wide = append(p.wide, float64Total{})
		s.wide = uint32(len(p.wide))
	}
	return &p.wide[s.wide-1]
}

func (p *float64Sums) merge(group int, from partial, fromGroup int) {
	other := from.(*float64Sums)
	s := other.of[fromGroup]
	if !s.seen {
		return
	}
	var wide float64Total
	if s.wide != 0 {
		wide = other.wide[s.wide-1] // a copy: the next lines may change or move it
	}
	for _, part := range s.parts {
		p.addValue(group, part)
	}
	if s.wide != 0 {
		p.wideOf(group).plus(&wide)
	}
}

// mergeTotal adds t to a group, as much as possible of it to the parts. t is used up.
func (p *float64Sums) mergeTotal(group int, t *float64Total) {
	p.of[group].seen = true
	for range len(float64Sum{}.parts) {
		x := t.finite.nearest()
		if math.IsInf(x, 0) {
			break
		}
		p.addValue(group, x)
		t.finite.add(-x)
		if t.finite.isZero() {
			break
		}
	}
	if t.hasSpecials() || !t.finite.isZero() {
		p.wideOf(group).plus(t)
	}
}

// total returns the sum of a group in the one form that shows no history.
func (p *float64Sums) total(group int) float64Total {
	s := p.of[group]
	var t float64Total
	if s.wide != 0 {
		t = p.wide[s.wide-1]
	}
	for _, part := range s.parts {
		t.finite.add(part)
	}
	return t
}

// pair returns the sum as a double and its exact rest, if that is all there is:
// the common case, without wide arithmetic.
func (s *float64Sum) pair() (sum, rest float64, ok bool) {
	sum, rest = twoSum(s.parts[0], s.parts[1])
	return sum, rest, s.wide == 0 && s.parts[2] == 0
}

func (p *float64Sums) value(group int) feature.Value {
	sum, ok := p.float64Value(group)
	if !ok {
		return feature.Null
	}
	return feature.Float64Value(sum)
}

func (p *float64Sums) float64Value(group int) (float64, bool) {
	s := &p.of[group]
	if !s.seen {
		return 0, false
	}
	if sum, _, ok := s.pair(); ok {
		return sum, true
	}
	t := p.total(group)
	return t.nearest(), true
}

func (p *float64Sums) mean(group int, count int64) float64 {
	sum, rest, ok := p.of[group].pair()
	if ok && rest == 0 && count <= 1<<53 {
		return sum/float64(count) + 0 // of a tiny negative sum it is -0
	}
	t := p.total(group)
	return t.dividedBy(uint64(count))
}

func (p *float64Sums) appendEncoded(dst []byte, group int) []byte {
	if !p.of[group].seen {
		return append(dst, headerEmpty)
	}
	t := p.total(group)
	return t.append(dst)
}

func (p *float64Sums) mergeEncoded(group int, data []byte) ([]byte, error) {
	var t float64Total
	seen, rest, err := t.cut(data)
	if err != nil {
		return nil, err
	}
	if seen {
		p.mergeTotal(group, &t)
	}
	return rest, nil
}
