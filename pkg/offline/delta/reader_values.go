package delta

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/bitutil"
	"github.com/apache/arrow/go/v15/arrow/memory"
)

// resized returns a slice of length n to be written to, which is s again if it may be.
func resized[T any](s []T, n int, again bool) []T {
	if again && n <= cap(s) {
		return s[:n]
	}
	return make([]T, n)
}

// codes are the numbers that the values of a page have in its dictionary.
type codes struct {
	hybrid
	numbers []uint32
}

func (c *codes) page(data []byte) (err error) {
	if len(data) == 0 {
		return io.ErrUnexpectedEOF
	}
	c.hybrid, err = newHybrid(data[1:], int(data[0]))
	return err
}

// next returns the numbers of the next n values, each less than limit.
func (c *codes) next(n, limit int) ([]uint32, error) {
	c.numbers = slices.Grow(c.numbers[:0], n)[:n]
	if err := c.decode(c.numbers); err != nil {
		return nil, err
	}
	if n > 0 && int64(slices.Max(c.numbers)) >= int64(limit) {
		return nil, fmt.Errorf("value %d of a dictionary of %d", slices.Max(c.numbers), limit)
	}
	return c.numbers, nil
}

// fixedValues are numbers of four or eight bytes.
type fixedValues[T uint32 | uint64] struct {
	bytes func([]T) []byte

	out   []T
	plain []byte // of the page, not read yet
	words []T    // the dictionary
	codes *codes // nil: the page is plain
	spare codes
}

func (f *fixedValues[T]) reset(rows int, again bool) { f.out = resized(f.out, rows, again) }

func (f *fixedValues[T]) dictionary(data []byte, n int) error {
	f.words = make([]T, min(n, len(data)))
	if len(f.bytes(f.words)) != len(data) {
		return fmt.Errorf("%d values in %d bytes", n, len(data))
	}
	copy(f.bytes(f.words), data)
	return nil
}

func (f *fixedValues[T]) page(data []byte, coded bool) error {
	f.codes, f.plain = nil, data
	if !coded {
		return nil
	}
	f.codes = &f.spare
	return f.codes.page(data)
}

func (f *fixedValues[T]) decode(at, n int) error {
	out := f.out[at : at+n]
	if f.codes == nil {
		bytes := f.bytes(out)
		if len(f.plain) < len(bytes) {
			return io.ErrUnexpectedEOF
		}
		copy(bytes, f.plain)
		f.plain = f.plain[len(bytes):]
		return nil
	}
	numbers, err := f.codes.next(n, len(f.words))
	if err != nil {
		return err
	}
	for i, number := range numbers {
		out[i] = f.words[number]
	}
	return nil
}

func (f *fixedValues[T]) spread(at, n, rows int, valid []byte) {
	out := f.out[at : at+rows]
	for i := rows - 1; i >= 0; i-- {
		if bitutil.BitIsSet(valid, at+i) {
			n--
			out[i] = out[n]
		} else {
			out[i] = 0
		}
	}
}

func (f *fixedValues[T]) buffers() []*memory.Buffer {
	return []*memory.Buffer{memory.NewBufferBytes(f.bytes(f.out))}
}

// textValues are texts and binaries.
type textValues struct {
	out   []byte
	ends  []int32 // of the rows' texts, after a zero
	plain []byte  // of the page, not read yet
	words []byte  // the dictionary
	cuts  []int32 // ends of its values, after a zero
	codes *codes  // nil: the page is plain
	spare codes
}

func (t *textValues) reset(rows int, again bool) {
	t.out = resized(t.out, max(len(t.out), textGuess*rows)+copyAhead, again)[:0]
	t.ends = resized(t.ends, rows+1, again)
	t.ends[0] = 0
}

func (t *textValues) dictionary(data []byte, n int) error {
	if n > len(data)/4 {
		return io.ErrUnexpectedEOF
	}
	t.cuts = make([]int32, n+1)
	var err error
	t.words, _, err = appendTexts(make([]byte, 0, len(data)), t.cuts[1:], data)
	return err
}

func (t *textValues) page(data []byte, coded bool) error {
	t.codes, t.plain = nil, data
	if !coded {
		return nil
	}
	t.codes = &t.spare
	return t.codes.page(data)
}

func (t *textValues) decode(at, n int) error {
	ends := t.ends[at+1 : at+1+n]
	if t.codes == nil {
		return t.decodePlain(ends)
	}
	numbers, err := t.codes.next(n, len(t.cuts)-1)
	if err != nil {
		return err
	}
	out := t.out
	for i, number := range numbers {
		out = appendText(out, t.words[t.cuts[number]:], int(t.cuts[number+1]-t.cuts[number]))
		ends[i] = int32(len(out))
	}
	t.out = out
	return t.checkSize()
}

func (t *textValues) decodePlain(ends []int32) (err error) {
	if t.out, t.plain, err = appendTexts(t.out, ends, t.plain); err != nil {
		return err
	}
	return t.checkSize()
}

// appendTexts appends as many plain values as there are ends, and returns what comes
// after them in plain.
func appendTexts(out []byte, ends []int32, plain []byte) (_, rest []byte, err error) {
	for i := range ends {
		if len(plain) < 4 {
			return nil, nil, io.ErrUnexpectedEOF
		}
		length := binary.LittleEndian.Uint32(plain)
		plain = plain[4:]
		if uint64(length) > uint64(len(plain)) {
			return nil, nil, io.ErrUnexpectedEOF
		}
		out = appendText(out, plain, int(length))
		plain = plain[length:]
		ends[i] = int32(len(out))
	}
	return out, plain, nil
}

func (t *textValues) checkSize() error {
	if len(t.out) > math.MaxInt32 {
		return errors.New("texts of a record have more than 2 GiB")
	}
	return nil
}

// textGuess is how long texts are thought to be before the first is seen.
const textGuess = 8

// copyAhead is how many bytes appendText may copy, and write over later: that takes
// less time than to copy the few bytes of most texts.
const copyAhead = 16

// appendText appends the first n bytes of from.
func appendText(to, from []byte, n int) []byte {
	if at := len(to); n <= copyAhead && len(from) >= copyAhead && cap(to)-at >= copyAhead {
		*(*[copyAhead]byte)(to[at : at+copyAhead]) = *(*[copyAhead]byte)(from)
		return to[:at+n]
	}
	return append(to, from[:n]...)
}

func (t *textValues) spread(at, n, rows int, valid []byte) {
	start, ends := t.ends[at], t.ends[at+1:at+1+rows]
	for i := rows - 1; i >= 0; i-- {
		end := start
		if n > 0 {
			end = ends[n-1]
		}
		ends[i] = end
		if bitutil.BitIsSet(valid, at+i) {
			n--
		}
	}
}

func (t *textValues) buffers() []*memory.Buffer {
	return []*memory.Buffer{memory.NewBufferBytes(arrow.Int32Traits.CastToBytes(t.ends)), memory.NewBufferBytes(t.out)}
}

// boolValues are truth values, packed by bits.
type boolValues struct {
	out   []byte
	plain []byte // of the page
	bit   int    // of plain, that comes next
}

func (b *boolValues) reset(rows int, again bool) { b.out = resized(b.out, (rows+7)/8, again) }

func (b *boolValues) dictionary([]byte, int) error { return errors.New("truth values have none") }

func (b *boolValues) page(data []byte, coded bool) error {
	if coded {
		return errors.New("truth values have no dictionary")
	}
	b.plain, b.bit = data, 0
	return nil
}

func (b *boolValues) decode(at, n int) error {
	if b.bit+n > 8*len(b.plain) {
		return io.ErrUnexpectedEOF
	}
	bitutil.CopyBitmap(b.plain, b.bit, n, b.out, at)
	b.bit += n
	return nil
}

func (b *boolValues) spread(at, n, rows int, valid []byte) {
	for i := at + rows - 1; i >= at; i-- {
		set := bitutil.BitIsSet(valid, i)
		if set {
			n--
			set = bitutil.BitIsSet(b.out, at+n)
		}
		bitutil.SetBitTo(b.out, i, set)
	}
}

func (b *boolValues) buffers() []*memory.Buffer {
	return []*memory.Buffer{memory.NewBufferBytes(b.out)}
}
