package aggregate

import (
	"bytes"
	"encoding/binary"
	"math/bits"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"

	"github.com/tilery/tilery/pkg/feature"
)

// int64Sums holds the exact sum of each group. Encoded: 0 when no value went in,
// else 1 plus the number of bytes, and the sum in as few bytes of two's complement
// as hold it, most significant first; zero takes none.
type int64Sums struct {
	column string
	of     []int64Sum
}

type int64Sum struct {
	sum  int128
	seen bool
}

func (p *int64Sums) fields() []arrow.Field {
	return sumFields("sum_"+p.column, arrow.PrimitiveTypes.Int64)
}

func sumFields(name string, sum arrow.DataType) []arrow.Field {
	return []arrow.Field{
		{Name: name, Type: sum, Nullable: true},
		{Name: name + "_rest", Type: arrow.BinaryTypes.Binary, Nullable: true},
	}
}

func (p *int64Sums) grow(n int)   { p.of = extend(p.of, n) }
func (p *int64Sums) reset()       { p.of = p.of[:0] }
func (p *int64Sums) bytes() int64 { return bytesOf(p.of) }

func (p *int64Sums) add(groups []int32, _ []arrow.Timestamp, values arrow.Array) {
	for i, v := range values.(*array.Int64).Int64Values() {
		if g := groups[i]; g >= 0 {
			p.of[g].add(newInt128(v))
		}
	}
}

func (p *int64Sums) merge(group int, from partial, fromGroup int) {
	if other := from.(*int64Sums).of[fromGroup]; other.seen {
		p.of[group].add(other.sum)
	}
}

func (p *int64Sums) mergePairs(pairs []pair) {
	for _, m := range pairs {
		if other := p.of[m.from]; other.seen {
			p.of[m.into].add(other.sum)
		}
	}
}

func (s *int64Sum) add(v int128) {
	s.sum = s.sum.plus(v)
	s.seen = true
}

func (p *int64Sums) mergeColumns(groups []int32, columns []arrow.Array) error {
	sums, rests := columns[0].(*array.Int64), columns[1].(*array.Binary)
	if sums.NullN() == 0 && rests.NullN() == len(groups) {
		p.add(groups, nil, sums)
		return nil
	}
	for i, g := range groups {
		switch {
		case g < 0 || sums.IsNull(i) && rests.IsNull(i):
		case rests.IsNull(i):
			p.of[g].add(newInt128(sums.Value(i)))
		case sums.IsNull(i):
			sum, err := decodeInt64Rest(rests.Value(i))
			if err != nil {
				return err
			}
			p.of[g].add(sum)
		default:
			return damaged("row %d: a sum and a rest", i)
		}
	}
	return nil
}

func decodeInt64Rest(data []byte) (int128, error) {
	data, err := cutVersion(data)
	if err != nil {
		return int128{}, err
	}
	s, data, err := cutInt64Sum(data)
	if err != nil {
		return int128{}, err
	}
	if _, fits := s.sum.int64(); fits || len(data) != 0 {
		return int128{}, damaged("a rest that is not needed")
	}
	return s.sum, nil
}

func (p *int64Sums) appendColumns(groups []int32, builders []array.Builder) {
	sums, rests := builders[0].(*array.Int64Builder), builders[1].(*array.BinaryBuilder)
	sums.Reserve(len(groups))
	rests.Reserve(len(groups))
	for _, g := range groups {
		s := p.of[g]
		sum, fits := s.sum.int64()
		if !s.seen || !fits {
			sums.AppendNull()
		} else {
			sums.UnsafeAppend(sum)
		}
		if fits {
			rests.AppendNull()
		} else {
			rests.Append(s.append([]byte{encodingVersion}))
		}
	}
}

func (p *int64Sums) appendEncoded(dst []byte, group int) []byte { return p.of[group].append(dst) }

func (s int64Sum) append(dst []byte) []byte {
	if !s.seen {
		return append(dst, 0)
	}
	var all [16]byte
	binary.BigEndian.PutUint64(all[:8], uint64(s.sum.hi))
	binary.BigEndian.PutUint64(all[8:], s.sum.lo)
	short := all[:]
	for len(short) > 1 && (short[0] == 0 && short[1] < 0x80 || short[0] == 0xff && short[1] >= 0x80) {
		short = short[1:]
	}
	if s.sum == (int128{}) {
		short = nil
	}
	return append(append(dst, byte(1+len(short))), short...)
}

func (p *int64Sums) mergeEncoded(group int, data []byte) ([]byte, error) {
	s, rest, err := cutInt64Sum(data)
	if err != nil {
		return nil, err
	}
	if s.seen {
		p.of[group].add(s.sum)
	}
	return rest, nil
}

// maxInt64SumBytes is enough for maxRows times any value.
const maxInt64SumBytes = 15

func cutInt64Sum(data []byte) (s int64Sum, rest []byte, err error) {
	head, rest, err := cutUvarint(data, 1+maxInt64SumBytes)
	if err != nil || head == 0 {
		return int64Sum{}, rest, err
	}
	short, rest, err := cutBytes(rest, head-1)
	if err != nil {
		return int64Sum{}, nil, err
	}
	s.seen = true
	if len(short) > 0 {
		s.sum = newInt128(int64(int8(short[0])))
	}
	for _, b := range short[min(1, len(short)):] {
		s.sum = int128{hi: s.sum.hi<<8 | int64(s.sum.lo>>56), lo: s.sum.lo<<8 | uint64(b)}
	}
	var again [1 + 16]byte
	if !bytes.Equal(s.append(again[:0]), data[:head]) {
		return int64Sum{}, nil, damaged("a sum in more bytes than it needs")
	}
	return s, rest, nil
}

func (p *int64Sums) value(group int) feature.Value {
	sum, ok := p.int64Value(group)
	if !ok {
		return feature.Null
	}
	return feature.Int64Value(sum)
}

func (p *int64Sums) int64Value(group int) (int64, bool) {
	sum, fits := p.of[group].sum.int64()
	return sum, fits && p.of[group].seen
}

func (p *int64Sums) mean(group int, count int64) float64 {
	const exact = 1 << 53 // up to here a Float64 holds every integer
	sum := p.of[group].sum
	if v, fits := sum.int64(); fits && -exact <= v && v <= exact && count <= exact {
		return float64(v) / float64(count)
	}
	var total fixed
	for i, quarter := range [4]float64{float64(uint32(sum.lo)), float64(uint32(sum.lo >> 32)), float64(uint32(sum.hi)), float64(sum.hi >> 32)} {
		total.add(quarter * [4]float64{1, 1 << 32, 1 << 64, 1 << 96}[i])
	}
	return total.dividedBy(uint64(count))
}

// int128 is a two's complement integer.
type int128 struct {
	hi int64
	lo uint64
}

func newInt128(v int64) int128 { return int128{hi: v >> 63, lo: uint64(v)} }

func (a int128) plus(b int128) int128 {
	lo, carry := bits.Add64(a.lo, b.lo, 0)
	return int128{hi: a.hi + b.hi + int64(carry), lo: lo}
}

// int64 returns the low 64 bits and whether they are the whole value.
func (a int128) int64() (v int64, fits bool) { return int64(a.lo), a == newInt128(int64(a.lo)) }
