package aggregate

import (
	"encoding/binary"
	"math"

	"github.com/tilery/tilery/pkg/feature"
)

// A group is encoded as the number of its values, the time of the first, how much
// later each of the others is than the one before, and the values. Numbers,
// lengths and Bools are uvarints, those with a sign zigzag; floats are the bytes
// of their keys, Strings and arrays their length and bytes.

func (p *valueLists) appendEncoded(dst []byte, group int) []byte {
	p.items = p.read(p.items[:0], group)
	dst = binary.AppendUvarint(dst, uint64(len(p.items)))
	for i, v := range p.items {
		if i == 0 {
			dst = binary.AppendVarint(dst, v.time)
		} else {
			dst = binary.AppendUvarint(dst, uint64(v.time)-uint64(p.items[i-1].time))
		}
	}
	for _, v := range p.items {
		dst = v.appendEncoded(dst, p.valueType)
	}
	return dst
}

// appendEncoded appends v, of type t, without its time.
func (v timedValue) appendEncoded(dst []byte, t feature.Type) []byte {
	switch t {
	case feature.Bool:
		return append(dst, byte(v.key))
	case feature.Int32, feature.Int64:
		return binary.AppendVarint(dst, v.key)
	case feature.Float32, feature.Float64:
		return appendKey(dst, t, v.key)
	}
	return append(binary.AppendUvarint(dst, uint64(len(v.text))), v.text...)
}

func (p *valueLists) mergeEncoded(group int, data []byte) (rest []byte, err error) {
	n, rest, err := cutUvarint(data, uint64(max(p.n, 1)))
	if err != nil || n == 0 {
		return rest, err
	}
	if rest, err = p.cutTimes(rest, int(n)); err != nil {
		return nil, err
	}
	for i := range p.items {
		if rest, err = p.items[i].cut(rest, p.valueType); err != nil {
			return nil, err
		}
	}
	if err := p.check(p.items); err != nil {
		return nil, err
	}
	p.offerAll(group)
	return rest, nil
}

// cutTimes reads n times to p.items.
func (p *valueLists) cutTimes(data []byte, n int) (rest []byte, err error) {
	time, rest, err := cutVarint(data)
	if err != nil {
		return nil, err
	}
	p.items = append(p.items[:0], timedValue{time: time})
	for range n - 1 {
		var later uint64
		// The difference of two int64s fits a uint64.
		if later, rest, err = cutUvarint(rest, uint64(math.MaxInt64)-uint64(time)); err != nil {
			return nil, err
		}
		time = int64(uint64(time) + later)
		p.items = append(p.items, timedValue{time: time})
	}
	return rest, nil
}

// cut reads a value of type t, without its time.
func (v *timedValue) cut(data []byte, t feature.Type) (rest []byte, err error) {
	switch t {
	case feature.Bool, feature.Float32, feature.Float64:
		v.key, rest, err = cutKey(t, data)
		return rest, err
	case feature.Int32, feature.Int64:
		if v.key, rest, err = cutVarint(data); err == nil && !isKeyOf(t, v.key) {
			return nil, damaged("no %s: %d", t, v.key)
		}
		return rest, err
	}
	length, rest, err := cutUvarint(data, math.MaxInt64)
	if err != nil {
		return nil, err
	}
	if v.text, rest, err = cutBytes(rest, length); err != nil {
		return nil, err
	}
	if t.IsArray() {
		err = checkArray(t.Element(), v.text)
	}
	return rest, err
}

// cutVarint reads a number with a sign; of its encodings only the shortest is accepted.
func cutVarint(data []byte) (v int64, rest []byte, err error) {
	zigzag, rest, err := cutUvarint(data, math.MaxUint64)
	return int64(zigzag>>1) ^ -int64(zigzag&1), rest, err
}
