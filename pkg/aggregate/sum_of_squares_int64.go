package aggregate

import (
	"encoding/binary"
	"math"
	"math/bits"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"

	"github.com/tilery/tilery/pkg/feature"
)

// int64Squares holds the exact sum of the squares of each group. Encoded: 0 when no
// value went in, else 1 plus the number of bytes, and the sum in as few bytes as
// hold it, most significant first; zero takes none.
type int64Squares struct {
	column string
	of     []int64Square
}

type int64Square struct {
	sum  uint192
	seen bool
}

func (p *int64Squares) fields() []arrow.Field {
	return sumFields("sumsq_"+p.column, arrow.PrimitiveTypes.Int64)
}

func (p *int64Squares) grow(n int)   { p.of = extend(p.of, n) }
func (p *int64Squares) reset()       { p.of = p.of[:0] }
func (p *int64Squares) bytes() int64 { return bytesOf(p.of) }

func (p *int64Squares) add(groups []int32, _ []arrow.Timestamp, values arrow.Array) {
	for i, v := range values.(*array.Int64).Int64Values() {
		if g := groups[i]; g >= 0 {
			magnitude := uint64(max(v, -v)) // of the least int64 too: its negative is itself
			high, low := bits.Mul64(magnitude, magnitude)
			p.of[g].add(uint192{low, high})
		}
	}
}

func (s *int64Square) add(v uint192) {
	s.sum = s.sum.plus(v)
	s.seen = true
}

func (p *int64Squares) merge(group int, from partial, fromGroup int) {
	if other := from.(*int64Squares).of[fromGroup]; other.seen {
		p.of[group].add(other.sum)
	}
}

func (p *int64Squares) mergeColumns(groups []int32, columns []arrow.Array) error {
	sums, rests := columns[0].(*array.Int64), columns[1].(*array.Binary)
	for i, g := range groups {
		switch {
		case g < 0 || sums.IsNull(i) && rests.IsNull(i):
		case rests.IsNull(i):
			if sums.Value(i) < 0 {
				return damaged("row %d: a negative sum of squares", i)
			}
			p.of[g].add(uint192{uint64(sums.Value(i))})
		case sums.IsNull(i):
			sum, err := decodeInt64SquaresRest(rests.Value(i))
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

func decodeInt64SquaresRest(data []byte) (uint192, error) {
	data, err := cutVersion(data)
	if err != nil {
		return uint192{}, err
	}
	s, data, err := cutInt64Square(data)
	if err != nil {
		return uint192{}, err
	}
	if _, fits := s.sum.int64(); fits || len(data) != 0 {
		return uint192{}, damaged("a rest that is not needed")
	}
	return s.sum, nil
}

func (p *int64Squares) appendColumns(groups []int32, builders []array.Builder) {
	sums, rests := builders[0].(*array.Int64Builder), builders[1].(*array.BinaryBuilder)
	sums.Reserve(len(groups))
	rests.Reserve(len(groups))
	var buffer []byte
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
			buffer = s.append(append(buffer[:0], encodingVersion))
			rests.Append(buffer)
		}
	}
}

func (p *int64Squares) appendEncoded(dst []byte, group int) []byte { return p.of[group].append(dst) }

func (s int64Square) append(dst []byte) []byte {
	if !s.seen {
		return append(dst, 0)
	}
	var all [24]byte
	for i, w := range s.sum {
		binary.BigEndian.PutUint64(all[16-8*i:], w)
	}
	short := all[len(all)-(bitLength(s.sum[:])+7)/8:]
	return append(append(dst, byte(1+len(short))), short...)
}

func (p *int64Squares) mergeEncoded(group int, data []byte) ([]byte, error) {
	s, rest, err := cutInt64Square(data)
	if err != nil {
		return nil, err
	}
	if s.seen {
		p.of[group].add(s.sum)
	}
	return rest, nil
}

// maxInt64SquareBytes is enough for maxRows times any square.
const maxInt64SquareBytes = 23

func cutInt64Square(data []byte) (s int64Square, rest []byte, err error) {
	head, rest, err := cutUvarint(data, 1+maxInt64SquareBytes)
	if err != nil || head == 0 {
		return int64Square{}, rest, err
	}
	short, rest, err := cutBytes(rest, head-1)
	if err != nil {
		return int64Square{}, nil, err
	}
	if len(short) > 0 && short[0] == 0 {
		return int64Square{}, nil, damaged("a sum in more bytes than it needs")
	}
	for _, b := range short {
		s.sum = uint192{s.sum[0]<<8 | uint64(b), s.sum[1]<<8 | s.sum[0]>>56, s.sum[2]<<8 | s.sum[1]>>56}
	}
	s.seen = true
	return s, rest, nil
}

func (p *int64Squares) value(group int) feature.Value {
	sum, fits := p.of[group].sum.int64()
	if !p.of[group].seen || !fits {
		return feature.Null
	}
	return feature.Int64Value(sum)
}

// uint192 is a natural number, least significant word first.
type uint192 [3]uint64

func (a uint192) plus(b uint192) uint192 {
	w0, carry := bits.Add64(a[0], b[0], 0)
	w1, carry := bits.Add64(a[1], b[1], carry)
	return uint192{w0, w1, a[2] + b[2] + carry}
}

// int64 returns the low 63 bits and whether they are the whole value.
func (a uint192) int64() (v int64, fits bool) {
	return int64(a[0] & math.MaxInt64), a[0] <= math.MaxInt64 && a[1]|a[2] == 0
}
