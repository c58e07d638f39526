package online

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"

	"github.com/tilery/tilery/pkg/window"
)

// cellVersion is the first byte of every encoded cell.
const cellVersion = 1

const flagTombstone = 1

// Sizes in bytes of what lies around position and value:
//
//	version, flags, cell version, fence, max time, length of position | position, value | checksum
const (
	cellHead     = 1 + 1 + 8 + 8 + 8 + 2
	cellChecksum = 4
)

// A flip of any byte, and any burst of up to 32 bits, changes a CRC for certain.
var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// AppendCell appends the encoding of a cell within the limits (see WriteKeys).
func AppendCell(dst []byte, c Cell) []byte {
	start := len(dst)
	var flags byte
	if c.Tombstone {
		flags |= flagTombstone
	}
	dst = append(dst, cellVersion, flags)
	dst = binary.BigEndian.AppendUint64(dst, c.Version)
	dst = binary.BigEndian.AppendUint64(dst, c.Fence)
	dst = binary.BigEndian.AppendUint64(dst, uint64(c.MaxTime))
	dst = binary.BigEndian.AppendUint16(dst, uint16(len(c.Position)))
	dst = append(dst, c.Position...)
	dst = append(dst, c.Value...)
	return binary.BigEndian.AppendUint32(dst, crc32.Checksum(dst[start:], castagnoli))
}

// DecodeCell reads an encoded cell; whatever AppendCell would not write is
// ErrDamaged. Position and Value share memory with data, and are nil when empty.
func DecodeCell(data []byte) (Cell, error) {
	c, err := parseCell(data)
	if err == nil {
		err = checkCell(c)
	}
	if err != nil {
		return Cell{}, fmt.Errorf("%w: %v", ErrDamaged, err) //nolint:errorlint // what is stored is wrong, not the call: no ErrTooLarge
	}
	return c, nil
}

func parseCell(data []byte) (c Cell, err error) {
	if len(data) < cellHead+cellChecksum {
		return c, fmt.Errorf("cell of %d bytes", len(data))
	}
	body, sum := data[:len(data)-cellChecksum], binary.BigEndian.Uint32(data[len(data)-cellChecksum:])
	if got := crc32.Checksum(body, castagnoli); got != sum {
		return c, fmt.Errorf("cell's checksum is %08x, not %08x", got, sum)
	}
	if body[0] != cellVersion {
		return c, fmt.Errorf("cell is of version %d, this program reads %d", body[0], cellVersion)
	}
	if body[1]&^flagTombstone != 0 {
		return c, fmt.Errorf("cell has flags %#x", body[1])
	}
	c.Tombstone = body[1]&flagTombstone != 0
	c.Version = binary.BigEndian.Uint64(body[2:])
	c.Fence = binary.BigEndian.Uint64(body[10:])
	c.MaxTime = window.Time(binary.BigEndian.Uint64(body[18:]))
	position := int(binary.BigEndian.Uint16(body[26:]))
	rest := body[cellHead:]
	if position > len(rest) {
		return c, fmt.Errorf("cell's position of %d bytes in %d", position, len(rest))
	}
	if position > 0 {
		c.Position = rest[:position:position]
	}
	if position < len(rest) {
		c.Value = rest[position:]
	}
	return c, nil
}
