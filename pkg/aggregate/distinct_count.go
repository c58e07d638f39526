package aggregate

import (
	"encoding/binary"
	"slices"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/cespare/xxhash/v2"

	"github.com/tilery/tilery/pkg/feature"
)

// distinctCounts holds the set of hashes of each group's values: themselves while
// there are at most maxHashes, which counts exactly, beyond that HyperLogLog
// registers of the precision. Both are a function of the set of values.
//
// A hash is the xxHash64 of a String's bytes, or of the 8 bytes of an Int64, least
// significant first.
//
// Encoded: the number of hashes as a byte, encodedNothing for none, and the hashes
// ascending, 8 bytes each, most significant first; or the byte encodedRegisters and
// the registers.
type distinctCounts struct {
	partial   feature.Partial
	precision uint
	of        []distinctCount
	dense     []registers // of the groups that have more than maxHashes
	hashes    runs[uint64]
	registers runs[uint8]
	union     []uint64 // scratch
	column    []byte   // scratch
}

type distinctCount struct {
	hashes []uint64 // ascending; nil when dense
	dense  uint32   // 1 + index in distinctCounts.dense, 0 for none
}

const (
	maxHashes        = 64
	encodedRegisters = maxHashes + 1
)

// newDistinctCounts returns empty sets of hashes; nil for a type that has none.
func newDistinctCounts(p feature.Partial) partial {
	if p.Type != feature.Int64 && p.Type != feature.String {
		return nil
	}
	return &distinctCounts{partial: p, precision: uint(p.N)}
}

func (p *distinctCounts) fields() []arrow.Field { return sketchFields(p.partial) }

func (p *distinctCounts) grow(n int) { p.of = extend(p.of, n) }

func (p *distinctCounts) reset() {
	p.of, p.dense = p.of[:0], p.dense[:0]
	p.hashes.reset()
	p.registers.reset()
}

func (p *distinctCounts) bytes() int64 {
	return bytesOf(p.of) + bytesOf(p.dense) + p.hashes.bytes() + p.registers.bytes()
}

func (p *distinctCounts) add(groups []int32, _ []arrow.Timestamp, values arrow.Array) {
	if len(groups) == 0 {
		return // an empty array has no offsets
	}
	if p.partial.Type == feature.String {
		column := values.(*array.String)
		offsets, texts := column.ValueOffsets(), column.ValueBytes()
		for i, g := range groups {
			if g >= 0 {
				p.addHash(int(g), xxhash.Sum64(texts[offsets[i]-offsets[0]:offsets[i+1]-offsets[0]]))
			}
		}
		return
	}
	var bytes [8]byte
	for i, v := range values.(*array.Int64).Int64Values() {
		if g := groups[i]; g >= 0 {
			binary.LittleEndian.PutUint64(bytes[:], uint64(v))
			p.addHash(int(g), xxhash.Sum64(bytes[:]))
		}
	}
}

func (p *distinctCounts) addHash(group int, hash uint64) {
	c := &p.of[group]
	if c.dense != 0 {
		p.dense[c.dense-1].add(hash, p.precision)
		return
	}
	at, found := slices.BinarySearch(c.hashes, hash)
	switch n := len(c.hashes); {
	case found:
	case n == maxHashes:
		p.denseOf(group).add(hash, p.precision)
	default:
		c.hashes = p.hashes.grown(c.hashes, n+1)[:n+1]
		copy(c.hashes[at+1:], c.hashes[at:])
		c.hashes[at] = hash
	}
}

// denseOf returns the registers of a group, which from now on has them.
func (p *distinctCounts) denseOf(group int) registers {
	c := &p.of[group]
	if c.dense == 0 {
		r := registers(p.registers.take(1 << p.precision)[:1<<p.precision])
		clear(r)
		for _, hash := range c.hashes {
			r.add(hash, p.precision)
		}
		p.hashes.give(c.hashes)
		p.dense = append(p.dense, r)
		*c = distinctCount{dense: uint32(len(p.dense))}
	}
	return p.dense[c.dense-1]
}

func (p *distinctCounts) merge(group int, from partial, fromGroup int) {
	other := from.(*distinctCounts)
	if c := other.of[fromGroup]; c.dense != 0 {
		p.denseOf(group).merge(other.dense[c.dense-1])
	} else {
		p.addHashes(group, c.hashes)
	}
}

// addHashes adds some that are ascending and distinct.
func (p *distinctCounts) addHashes(group int, hashes []uint64) {
	c := &p.of[group]
	if c.dense == 0 {
		p.union = appendUnion(p.union[:0], c.hashes, hashes)
		if n := len(p.union); n <= maxHashes {
			c.hashes = append(p.hashes.grown(c.hashes, n)[:0], p.union...)
			return
		}
	}
	r := p.denseOf(group)
	for _, hash := range hashes {
		r.add(hash, p.precision)
	}
}

// appendUnion appends the elements of a or b, which are ascending and distinct.
func appendUnion(dst, a, b []uint64) []uint64 {
	for len(a) > 0 && len(b) > 0 {
		least := min(a[0], b[0])
		dst = append(dst, least)
		if a[0] == least {
			a = a[1:]
		}
		if b[0] == least {
			b = b[1:]
		}
	}
	return append(append(dst, a...), b...)
}

func (p *distinctCounts) mergeColumns(groups []int32, columns []arrow.Array) error {
	return mergeSketches(p, groups, columns[0])
}

func (p *distinctCounts) appendColumns(groups []int32, builders []array.Builder) {
	p.column = appendSketches(p, groups, builders[0], p.column)
}

func (p *distinctCounts) appendEncoded(dst []byte, group int) []byte {
	c := p.of[group]
	if c.dense != 0 {
		return append(append(dst, encodedRegisters), p.dense[c.dense-1]...)
	}
	dst = append(dst, byte(len(c.hashes)))
	for _, hash := range c.hashes {
		dst = binary.BigEndian.AppendUint64(dst, hash)
	}
	return dst
}

func (p *distinctCounts) mergeEncoded(group int, data []byte) ([]byte, error) {
	n, rest, err := cutUvarint(data, encodedRegisters)
	if err != nil || n == encodedNothing {
		return rest, err
	}
	if n == encodedRegisters {
		r, rest, err := cutBytes(rest, 1<<p.precision)
		if err != nil {
			return nil, err
		}
		if err := registers(r).check(); err != nil {
			return nil, err
		}
		p.denseOf(group).merge(r)
		return rest, nil
	}
	data, rest, err = cutBytes(rest, 8*n)
	if err != nil {
		return nil, err
	}
	var all [maxHashes]uint64
	hashes := all[:n]
	for i := range hashes {
		hashes[i] = binary.BigEndian.Uint64(data[8*i:])
		if i > 0 && hashes[i] <= hashes[i-1] {
			return nil, damaged("hashes are not ascending")
		}
	}
	p.addHashes(group, hashes)
	return rest, nil
}

// value is the number of distinct values, an estimate beyond maxHashes.
func (p *distinctCounts) value(group int) feature.Value {
	switch c := p.of[group]; {
	case c.dense != 0:
		return feature.Int64Value(p.dense[c.dense-1].estimate())
	case len(c.hashes) == 0:
		return feature.Null
	default:
		return feature.Int64Value(int64(len(c.hashes)))
	}
}
