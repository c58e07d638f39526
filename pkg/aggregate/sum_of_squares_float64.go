package aggregate

import (
	"math"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"

	"github.com/tilery/tilery/pkg/feature"
)

// float64Squares holds the exact sum of the squares of each group; see squareTotal
// for how it is encoded.
type float64Squares struct {
	column string
	sums   float64Sums   // of the squares that are the sum of two doubles, and of those that are not finite
	wide   []squareFixed // sums of the other squares, for some groups
	wideAt []uint32      // by group: 1 + index in wide, 0 for none
}

// From minRoot to below maxRoot a square is the sum of two doubles: its last bit is
// not below that of the smallest Float64, and it stays in the parts of a float64Sum.
const (
	minRoot = 0x1p-485
	maxRoot = 0x1p480
)

func (p *float64Squares) fields() []arrow.Field {
	return sumFields("sumsq_"+p.column, arrow.PrimitiveTypes.Float64)
}

func (p *float64Squares) grow(n int) {
	p.sums.grow(n)
	p.wideAt = extend(p.wideAt, n)
}

func (p *float64Squares) reset() {
	p.sums.reset()
	p.wide, p.wideAt = p.wide[:0], p.wideAt[:0]
}

func (p *float64Squares) bytes() int64 {
	return p.sums.bytes() + bytesOf(p.wide) + bytesOf(p.wideAt)
}

func (p *float64Squares) add(groups []int32, _ []arrow.Timestamp, values arrow.Array) {
	for i, v := range values.(*array.Float64).Float64Values() {
		if g := groups[i]; g >= 0 {
			p.addSquare(int(g), v)
		}
	}
}

func (p *float64Squares) addSquare(group int, x float64) {
	magnitude := math.Abs(x)
	if !(magnitude < maxRoot) || magnitude < minRoot && x != 0 {
		p.addRareSquare(group, x)
		return
	}
	square := float64(x * x) // the conversion keeps it from being fused with an addition
	p.sums.addValue(group, square)
	if rest := math.FMA(x, x, -square); rest != 0 {
		p.sums.addValue(group, rest)
	}
}

func (p *float64Squares) addRareSquare(group int, x float64) {
	if !isFinite(x) {
		p.sums.addValue(group, x*x)
		return
	}
	p.sums.of[group].seen = true
	p.wideOf(group).addSquare(x)
}

// wideOf returns the wide sum of a group, for as long as no other is made.
func (p *float64Squares) wideOf(group int) *squareFixed {
	if p.wideAt[group] == 0 {
		p.wide = append(p.wide, squareFixed{})
		p.wideAt[group] = uint32(len(p.wide))
	}
	return &p.wide[p.wideAt[group]-1]
}

func (p *float64Squares) merge(group int, from partial, fromGroup int) {
	other := from.(*float64Squares)
	p.sums.merge(group, &other.sums, fromGroup)
	if at := other.wideAt[fromGroup]; at != 0 {
		wide := other.wide[at-1] // a copy: wideOf may move it
		p.wideOf(group).plus(&wide)
	}
}

// mergeTotal adds t to a group, as much as possible of it to the sums of doubles. t
// is used up.
func (p *float64Squares) mergeTotal(group int, t *squareTotal) {
	p.sums.of[group].seen = true
	if t.hasSpecials() {
		p.sums.wideOf(group).specials.plus(t.specials)
	}
	for range len(float64Sum{}.parts) {
		x := t.finite.nearest()
		if x == 0 || !(math.Abs(x) < maxPart) {
			break
		}
		p.sums.addValue(group, x)
		t.finite.add(-x)
	}
	if !t.finite.isZero() {
		p.wideOf(group).plus(&t.finite)
	}
}

// total returns the sum of a group in the one form that shows no history.
func (p *float64Squares) total(group int) squareTotal {
	s := p.sums.of[group]
	var t squareTotal
	for _, part := range s.parts {
		t.finite.add(part)
	}
	if s.wide != 0 {
		wide := &p.sums.wide[s.wide-1]
		t.specials = wide.specials
		t.finite.addFixed(&wide.finite)
	}
	if at := p.wideAt[group]; at != 0 {
		t.finite.plus(&p.wide[at-1])
	}
	return t
}

// pair returns the sum as a double and its exact rest, if that is all there is.
func (p *float64Squares) pair(group int) (sum, rest float64, ok bool) {
	sum, rest, ok = p.sums.of[group].pair()
	return sum, rest, ok && p.wideAt[group] == 0
}

func (p *float64Squares) value(group int) feature.Value {
	if !p.sums.of[group].seen {
		return feature.Null
	}
	if sum, _, ok := p.pair(group); ok {
		return feature.Float64Value(sum)
	}
	t := p.total(group)
	return feature.Float64Value(t.nearest())
}

func (p *float64Squares) appendEncoded(dst []byte, group int) []byte {
	if !p.sums.of[group].seen {
		return append(dst, headerEmpty)
	}
	t := p.total(group)
	return t.append(dst)
}

func (p *float64Squares) mergeEncoded(group int, data []byte) ([]byte, error) {
	var t squareTotal
	seen, rest, err := t.cut(data)
	if err != nil {
		return nil, err
	}
	if t.finite.isNegative() {
		return nil, damaged("a negative sum of squares")
	}
	if seen {
		p.mergeTotal(group, &t)
	}
	return rest, nil
}

func (p *float64Squares) appendColumns(groups []int32, builders []array.Builder) {
	sums, rests := builders[0].(*array.Float64Builder), builders[1].(*array.BinaryBuilder)
	var buffer []byte
	for _, g := range groups {
		if !p.sums.of[g].seen {
			sums.AppendNull()
			rests.AppendNull()
			continue
		}
		if sum, rest, ok := p.pair(int(g)); ok && rest == 0 {
			sums.Append(sum)
			rests.AppendNull()
			continue
		}
		t := p.total(int(g))
		sums.Append(t.split())
		if t == (squareTotal{}) {
			rests.AppendNull()
			continue
		}
		buffer = t.append(append(buffer[:0], encodingVersion))
		rests.Append(buffer)
	}
}

func (p *float64Squares) mergeColumns(groups []int32, columns []arrow.Array) error {
	sums, rests := columns[0].(*array.Float64), columns[1].(*array.Binary)
	for i, g := range groups {
		switch {
		case g < 0 || sums.IsNull(i) && rests.IsNull(i):
		case sums.IsNull(i):
			return damaged("row %d: a rest without a sum of squares", i)
		case !rests.IsNull(i):
			if err := p.mergeSplit(int(g), sums.Value(i), rests.Value(i)); err != nil {
				return err
			}
		case isFinite(sums.Value(i)) && !math.Signbit(sums.Value(i)):
			p.sums.addValue(int(g), sums.Value(i))
		default:
			return damaged("row %d: the sum of squares is %g and has no rest", i, sums.Value(i))
		}
	}
	return nil
}

func (p *float64Squares) mergeSplit(group int, sum float64, rest []byte) error {
	rest, err := cutVersion(rest)
	if err != nil {
		return err
	}
	var t squareTotal
	_, rest, err = t.cut(rest)
	if err != nil {
		return err
	}
	if len(rest) != 0 {
		return damaged("bytes after the rest")
	}
	if err := t.join(sum); err != nil {
		return err
	}
	p.mergeTotal(group, &t)
	return nil
}
