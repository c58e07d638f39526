package aggregate

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// ErrDamaged is wrapped by every error about data that this package cannot have
// written, in this version or an earlier one.
var ErrDamaged = errors.New("damaged aggregation state")

// encodingVersion is the first byte of every encoded group, and of every rest
// column's value.
const encodingVersion = 1

// AppendEncoded appends a group, which is Present, to dst: a version byte, then
// each partial in the layout's order. Equal values give equal bytes. The bytes do
// not name the layout: store them where it is known.
func (s *States) AppendEncoded(dst []byte, group int) []byte {
	s.mustBePresent(group)
	dst = append(dst, encodingVersion)
	for _, p := range s.partials {
		dst = p.appendEncoded(dst, group)
	}
	return dst
}

// MergeEncoded adds what AppendEncoded wrote under the same layout, and returns
// the bytes after it. Bytes that it cannot have written are ErrDamaged; the memory
// used is bounded by len(data).
func (s *States) MergeEncoded(group int, data []byte) (rest []byte, err error) {
	rest, err = cutVersion(data)
	if err != nil {
		return nil, fmt.Errorf("merge encoded tile: %w", err)
	}
	s.present[group] = true
	for i, p := range s.partials {
		if rest, err = p.mergeEncoded(group, rest); err != nil {
			return nil, fmt.Errorf("merge encoded tile, %s of %s: %w", s.layout.partials[i].Kind, s.layout.partials[i].Column, err)
		}
	}
	return rest, nil
}

func damaged(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrDamaged, fmt.Sprintf(format, args...))
}

func cutVersion(data []byte) (rest []byte, err error) {
	if len(data) == 0 {
		return nil, damaged("no version")
	}
	if data[0] != encodingVersion {
		return nil, damaged("version %d, want %d", data[0], encodingVersion)
	}
	return data[1:], nil
}

// cutUvarint reads a number of at most limit; of its encodings only the shortest
// is accepted.
func cutUvarint(data []byte, limit uint64) (v uint64, rest []byte, err error) {
	v, n := binary.Uvarint(data)
	if n <= 0 || n > 1 && data[n-1] == 0 {
		return 0, nil, damaged("not a number")
	}
	if v > limit {
		return 0, nil, damaged("number %d is above %d", v, limit)
	}
	return v, data[n:], nil
}

// cutBytes splits data after n bytes.
func cutBytes(data []byte, n uint64) (head, rest []byte, err error) {
	if n > uint64(len(data)) {
		return nil, nil, damaged("%d bytes where %d should be", len(data), n)
	}
	return data[:n], data[n:], nil
}
