package aggregate

import (
	"encoding/binary"
	"math"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"

	"github.com/tilery/tilery/pkg/feature"
)

// numberExtremes holds the least or greatest number of each group, as an Int64 or a
// Float64. Encoded: 0 when no value went in, else 1 and the 8 bytes of the value's
// bits, most significant first.
//
// Values are kept as keys: int64s whose least one belongs to the wanted value.
// So one comparison serves both types, min and max, and the order of NaN.
type numberExtremes struct {
	name  string
	input feature.Type
	float bool
	flip  int64 // -1 turns the order of keys around, for max; else 0
	of    []numberExtreme
}

type numberExtreme struct {
	key  int64
	seen bool
}

func newNumberExtremes(name string, t feature.Type, greatest bool) *numberExtremes {
	p := &numberExtremes{name: name, input: t, float: widenedType(t) == feature.Float64}
	if greatest {
		p.flip = -1
	}
	return p
}

// floatKey orders as Float64 does, with NaN above +Inf and -0 as +0.
func floatKey(x float64) int64 {
	if x != x {
		x = canonicalNaN
	}
	return swapFloatBits(int64(math.Float64bits(x + 0))) // -0 + 0 is +0
}

func keyFloat(key int64) float64 { return math.Float64frombits(uint64(swapFloatBits(key))) }

// swapFloatBits turns the magnitude of negative numbers around: Float64 is sign
// and magnitude, int64 two's complement. It is its own inverse.
func swapFloatBits(b int64) int64 { return b ^ int64(uint64(b>>63)>>1) }

func (p *numberExtremes) fields() []arrow.Field {
	t := arrow.PrimitiveTypes.Int64
	if p.float {
		t = arrow.PrimitiveTypes.Float64
	}
	return []arrow.Field{{Name: p.name, Type: t, Nullable: true}}
}

func (p *numberExtremes) grow(n int)   { p.of = extend(p.of, n) }
func (p *numberExtremes) reset()       { p.of = p.of[:0] }
func (p *numberExtremes) bytes() int64 { return bytesOf(p.of) }

func (p *numberExtremes) add(groups []int32, _ []arrow.Timestamp, values arrow.Array) {
	if p.float {
		for i, v := range values.(*array.Float64).Float64Values() {
			if g := groups[i]; g >= 0 {
				p.of[g].lower(floatKey(v) ^ p.flip)
			}
		}
		return
	}
	for i, v := range values.(*array.Int64).Int64Values() {
		if g := groups[i]; g >= 0 {
			p.of[g].lower(v ^ p.flip)
		}
	}
}

// lower writes without a branch: in a row of values none can foretell which are lower.
func (e *numberExtreme) lower(key int64) {
	before := e.key
	if !e.seen {
		before = key
	}
	*e = numberExtreme{min(before, key), true}
}

func (p *numberExtremes) merge(group int, from partial, fromGroup int) {
	if other := from.(*numberExtremes).of[fromGroup]; other.seen {
		p.of[group].lower(other.key)
	}
}

func (p *numberExtremes) mergePairs(pairs []pair) {
	for _, m := range pairs {
		if other := p.of[m.from]; other.seen {
			p.of[m.into].lower(other.key)
		}
	}
}

func (p *numberExtremes) mergeColumns(groups []int32, columns []arrow.Array) error {
	_, masked := maskNulls(nil, groups, columns[0])
	if err := checkNarrow(p.input, masked, columns[0]); err != nil {
		return err
	}
	p.add(masked, nil, columns[0])
	return nil
}

func (p *numberExtremes) appendColumns(groups []int32, builders []array.Builder) {
	builders[0].Reserve(len(groups))
	floats, _ := builders[0].(*array.Float64Builder)
	integers, _ := builders[0].(*array.Int64Builder)
	for _, g := range groups {
		e := p.of[g]
		switch key := e.key ^ p.flip; {
		case !e.seen:
			builders[0].AppendNull()
		case p.float:
			floats.UnsafeAppend(keyFloat(key))
		default:
			integers.UnsafeAppend(key)
		}
	}
}

func (p *numberExtremes) appendEncoded(dst []byte, group int) []byte {
	e := p.of[group]
	if !e.seen {
		return append(dst, 0)
	}
	bits := e.key ^ p.flip
	if p.float {
		bits = swapFloatBits(bits)
	}
	return binary.BigEndian.AppendUint64(append(dst, 1), uint64(bits))
}

func (p *numberExtremes) mergeEncoded(group int, data []byte) ([]byte, error) {
	seen, rest, err := cutUvarint(data, 1)
	if err != nil || seen == 0 {
		return rest, err
	}
	value, rest, err := cutBytes(rest, 8)
	if err != nil {
		return nil, err
	}
	bits := binary.BigEndian.Uint64(value)
	key := int64(bits)
	if p.float {
		key = floatKey(math.Float64frombits(bits))
		if math.Float64bits(keyFloat(key)) != bits {
			return nil, damaged("a NaN or zero with bits %#x", bits)
		}
	}
	if !p.isNarrow(key) {
		return nil, damaged("the bits %#x are those of no %s", bits, p.input)
	}
	p.of[group].lower(key ^ p.flip)
	return rest, nil
}

func (p *numberExtremes) value(group int) feature.Value {
	e := p.of[group]
	switch key := e.key ^ p.flip; {
	case !e.seen:
		return feature.Null
	case p.float:
		return narrowed(feature.Float64Value(keyFloat(key)), p.input)
	default:
		return narrowed(feature.Int64Value(key), p.input)
	}
}

func (p *numberExtremes) int64Value(group int) (int64, bool) {
	e := p.of[group]
	return e.key ^ p.flip, e.seen
}

func (p *numberExtremes) float64Value(group int) (float64, bool) {
	e := p.of[group]
	return keyFloat(e.key ^ p.flip), e.seen
}
