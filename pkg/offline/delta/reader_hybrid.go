package delta

import (
	"encoding/binary"
	"errors"
	"io"
	"math"

	"github.com/apache/arrow/go/v15/arrow/bitutil"
)

// hybrid decodes numbers of up to 32 bits in Parquet's encoding by runs: of one value,
// or of values packed by bits, eight at a time.
type hybrid struct {
	data  []byte // after the open run
	width int    // bits of a number

	left   int    // numbers of the open run
	value  uint32 // of all of them, if packed is nil
	packed []byte
	bit    int // of packed, where the next number begins
}

func newHybrid(data []byte, width int) (hybrid, error) {
	if width > 32 {
		return hybrid{}, errors.New("numbers have more than 32 bits")
	}
	return hybrid{data: data, width: width}, nil
}

// open goes to the next run.
func (h *hybrid) open() error {
	header, n := binary.Uvarint(h.data)
	if n <= 0 {
		return io.ErrUnexpectedEOF
	}
	h.data = h.data[n:]
	if header>>1 > math.MaxInt32 {
		return errors.New("run is too long")
	}
	h.left, h.packed, h.bit, h.value = int(header>>1), nil, 0, 0
	if header&1 == 0 {
		return h.openRepeated()
	}
	size := h.left * h.width
	h.left *= 8
	if h.width == 0 {
		return nil
	}
	if size > len(h.data) {
		return io.ErrUnexpectedEOF
	}
	h.packed, h.data = h.data[:size], h.data[size:]
	return nil
}

func (h *hybrid) openRepeated() error {
	size := (h.width + 7) / 8
	if size > len(h.data) {
		return io.ErrUnexpectedEOF
	}
	for i, b := range h.data[:size] {
		h.value |= uint32(b) << (8 * i)
	}
	h.data = h.data[size:]
	return nil
}

// decode fills dst with the next numbers.
func (h *hybrid) decode(dst []uint32) error {
	for len(dst) > 0 {
		if h.left == 0 {
			if err := h.open(); err != nil {
				return err
			}
			continue
		}
		part := dst[:min(len(dst), h.left)]
		if h.packed == nil {
			for i := range part {
				part[i] = h.value
			}
		} else {
			h.unpack(part)
		}
		h.left -= len(part)
		dst = dst[len(part):]
	}
	return nil
}

func (h *hybrid) unpack(dst []uint32) {
	mask, width, bit := uint64(1)<<h.width-1, h.width, h.bit
	i := 0
	for ; i < len(dst) && bit/8+8 <= len(h.packed); i++ {
		dst[i] = uint32(binary.LittleEndian.Uint64(h.packed[bit/8:]) >> (bit % 8) & mask)
		bit += width
	}
	for ; i < len(dst); i++ {
		var last [8]byte
		copy(last[:], h.packed[bit/8:])
		dst[i] = uint32(binary.LittleEndian.Uint64(last[:]) >> (bit % 8) & mask)
		bit += width
	}
	h.bit = bit
}

// decodeBits writes n numbers of one bit to a bitmap, from a bit on, and returns how
// many of them are set.
func (h *hybrid) decodeBits(dst []byte, at, n int) (set int, err error) {
	for n > 0 {
		if h.left == 0 {
			if err := h.open(); err != nil {
				return 0, err
			}
			continue
		}
		part := min(n, h.left)
		switch {
		case h.packed != nil:
			bitutil.CopyBitmap(h.packed, h.bit, part, dst, at)
			set += bitutil.CountSetBits(h.packed, h.bit, part)
			h.bit += part
		case h.value == 1:
			bitutil.SetBitsTo(dst, int64(at), int64(part), true)
			set += part
		default:
			bitutil.SetBitsTo(dst, int64(at), int64(part), false)
		}
		h.left -= part
		at += part
		n -= part
	}
	return set, nil
}
