package aggregate

import (
	"encoding/binary"
	"math"
	"slices"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"

	"github.com/tilery/tilery/pkg/feature"
)

// distributions holds how the values of each group, as Float64s, are distributed:
// themselves while there are at most maxValues, which makes every quantile exact,
// beyond that a DDSketch whose relative accuracy is 1/precision. Both are a function
// of the multiset of values. A group takes up to 32 KiB, however short it was encoded.
//
// Encoded: the number of values as a uvarint, encodedNothing for none, and the
// values ascending, 8 bytes of their bits each, most significant first; or the
// uvarint encodedSketch and the sketch.
type distributions struct {
	partial  feature.Partial
	mapping  *mapping
	of       []distribution
	sketches []ddSketch // of the groups that have more than maxValues
	values   runs[int64]
	counts   runs[uint64]
	column   []byte // scratch
}

type distribution struct {
	values []int64 // keys as floatKey makes them, in any order; nil when there is a sketch
	sketch uint32  // 1 + index in distributions.sketches, 0 for none
}

const (
	maxValues     = 256
	encodedSketch = maxValues + 1
)

// newDistributions returns empty distributions; nil for a type that has none.
func newDistributions(p feature.Partial) partial {
	if p.Type != feature.Int64 && p.Type != feature.Float64 {
		return nil
	}
	return &distributions{partial: p, mapping: mappingOf(p.N)}
}

func (p *distributions) fields() []arrow.Field { return sketchFields(p.partial) }

func (p *distributions) grow(n int) { p.of = extend(p.of, n) }

func (p *distributions) reset() {
	p.of, p.sketches = p.of[:0], p.sketches[:0]
	p.values.reset()
	p.counts.reset()
}

func (p *distributions) bytes() int64 {
	return bytesOf(p.of) + bytesOf(p.sketches) + p.values.bytes() + p.counts.bytes()
}

func (p *distributions) add(groups []int32, _ []arrow.Timestamp, values arrow.Array) {
	if p.partial.Type == feature.Float64 {
		for i, v := range values.(*array.Float64).Float64Values() {
			if g := groups[i]; g >= 0 {
				p.addValue(int(g), v)
			}
		}
		return
	}
	for i, v := range values.(*array.Int64).Int64Values() {
		if g := groups[i]; g >= 0 {
			p.addValue(int(g), float64(v))
		}
	}
}

func (p *distributions) addValue(group int, x float64) {
	d := &p.of[group]
	if n := len(d.values); d.sketch == 0 && n < maxValues {
		d.values = append(p.values.grown(d.values, n+1), floatKey(x))
		return
	}
	p.sketchOf(group).add(x, p.mapping, &p.counts)
}

// sketchOf returns the sketch of a group, which from now on has one, for as long as
// no other is made.
func (p *distributions) sketchOf(group int) *ddSketch {
	d := &p.of[group]
	if d.sketch == 0 {
		p.sketches = append(p.sketches, ddSketch{})
		s := &p.sketches[len(p.sketches)-1]
		for _, key := range d.values {
			s.add(keyFloat(key), p.mapping, &p.counts)
		}
		p.values.give(d.values)
		*d = distribution{sketch: uint32(len(p.sketches))}
	}
	return &p.sketches[d.sketch-1]
}

func (p *distributions) merge(group int, from partial, fromGroup int) {
	other := from.(*distributions)
	if d := other.of[fromGroup]; d.sketch != 0 {
		s := p.sketchOf(group) // which may move the sketches of other, if that is p
		s.merge(&other.sketches[d.sketch-1], &p.counts)
	} else {
		p.addKeys(group, d.values)
	}
}

// addKeys adds values, which may be those of the group.
func (p *distributions) addKeys(group int, keys []int64) {
	d := &p.of[group]
	if n := len(d.values) + len(keys); d.sketch == 0 && n <= maxValues {
		if len(keys) > 0 {
			d.values = append(p.values.grown(d.values, n), keys...)
		}
		return
	}
	s := p.sketchOf(group)
	for _, key := range keys {
		s.add(keyFloat(key), p.mapping, &p.counts)
	}
}

func (p *distributions) mergeColumns(groups []int32, columns []arrow.Array) error {
	return mergeSketches(p, groups, columns[0])
}

func (p *distributions) appendColumns(groups []int32, builders []array.Builder) {
	p.column = appendSketches(p, groups, builders[0], p.column)
}

func (p *distributions) appendEncoded(dst []byte, group int) []byte {
	d := p.of[group]
	if d.sketch != 0 {
		return p.sketches[d.sketch-1].append(binary.AppendUvarint(dst, encodedSketch), p.mapping)
	}
	slices.Sort(d.values)
	dst = binary.AppendUvarint(dst, uint64(len(d.values)))
	for _, key := range d.values {
		dst = binary.BigEndian.AppendUint64(dst, math.Float64bits(keyFloat(key)))
	}
	return dst
}

func (p *distributions) mergeEncoded(group int, data []byte) ([]byte, error) {
	n, rest, err := cutUvarint(data, encodedSketch)
	if err != nil || n == encodedNothing {
		return rest, err
	}
	if n == encodedSketch {
		values, rest, err := p.sketchOf(group).mergeEncoded(rest, p.mapping, &p.counts)
		if err == nil && values <= maxValues {
			return nil, damaged("a sketch of %d values", values)
		}
		return rest, err
	}
	data, rest, err = cutBytes(rest, 8*n)
	if err != nil {
		return nil, err
	}
	var all [maxValues]int64
	keys := all[:n]
	for i := range keys {
		bits := binary.BigEndian.Uint64(data[8*i:])
		keys[i] = floatKey(math.Float64frombits(bits))
		if math.Float64bits(keyFloat(keys[i])) != bits {
			return nil, damaged("a NaN or zero with bits %#x", bits)
		}
		if i > 0 && keys[i] < keys[i-1] {
			return nil, damaged("values are not ascending")
		}
	}
	p.addKeys(group, keys)
	return rest, nil
}

// value is null: no function is the distribution alone.
func (p *distributions) value(int) feature.Value { return feature.Null }

// quantile returns the lower quantile q, from 0 to 1: the value of rank
// floor(q·(n-1)), the least having rank 0, in the order -Inf, numbers, +Inf, NaN.
func (p *distributions) quantile(group int, q float64) feature.Value {
	d := p.of[group]
	if d.sketch != 0 {
		s := &p.sketches[d.sketch-1]
		return feature.Float64Value(s.find(rankOf(q, s.total()), p.mapping))
	}
	if len(d.values) == 0 {
		return feature.Null
	}
	slices.Sort(d.values)
	return feature.Float64Value(keyFloat(d.values[rankOf(q, uint64(len(d.values)))]))
}

// rankOf rounds the product as Float64s do: 0.7 times 10 is 7 then, while the exact
// product of the Float64 nearest to 0.7 is below.
func rankOf(q float64, n uint64) uint64 { return min(uint64(q*float64(n-1)), n-1) }
