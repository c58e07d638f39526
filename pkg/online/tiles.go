package online

import (
	"encoding/binary"
	"fmt"
	"iter"
	"math"
)

// tilesVersion is the first byte of every encoded list of tiles.
const tilesVersion = 1

// Tile is one tile of a block.
type Tile struct {
	Index uint32 // position in the block, counted in tiles of the cell's level
	State []byte // encoded partial states; opaque here
}

// AppendTiles appends the Value of a KindTile cell: the tiles of one block that
// have a state, in ascending order of index.
//
//	version, then per tile: indices skipped since the last, length of state, state
//
// An order that does not ascend is an error. The result may exceed
// MaxValueBytes; the store refuses that.
func AppendTiles(dst []byte, tiles []Tile) ([]byte, error) {
	dst = append(dst, tilesVersion)
	next := uint64(0)
	for _, t := range tiles {
		if uint64(t.Index) < next {
			return nil, fmt.Errorf("tile %d after tile %d", t.Index, next-1)
		}
		dst = binary.AppendUvarint(dst, uint64(t.Index)-next)
		dst = binary.AppendUvarint(dst, uint64(len(t.State)))
		dst = append(dst, t.State...)
		next = uint64(t.Index) + 1
	}
	return dst, nil
}

// Tiles yields the tiles of a KindTile cell's Value, in ascending order. An
// ErrDamaged ends them; what came before it must not be used then. States share
// memory with value.
func Tiles(value []byte) iter.Seq2[Tile, error] {
	return func(yield func(Tile, error) bool) {
		if len(value) == 0 || value[0] != tilesVersion {
			yield(Tile{}, fmt.Errorf("%w: tiles not of version %d", ErrDamaged, tilesVersion))
			return
		}
		next, rest := uint64(0), value[1:]
		for len(rest) > 0 {
			t, after, err := cutTile(rest, next)
			if err != nil {
				yield(Tile{}, fmt.Errorf("%w: tile at byte %d: %w", ErrDamaged, len(value)-len(rest), err))
				return
			}
			if !yield(t, nil) {
				return
			}
			next, rest = uint64(t.Index)+1, after
		}
	}
}

func cutTile(data []byte, next uint64) (t Tile, rest []byte, err error) {
	skip, rest, err := cutUvarint(data)
	if err != nil {
		return t, nil, fmt.Errorf("index: %w", err)
	}
	if skip > math.MaxUint32 || next+skip > math.MaxUint32 {
		return t, nil, fmt.Errorf("index %d after %d skipped", next, skip)
	}
	state, rest, err := cutSized(rest)
	if err != nil {
		return t, nil, fmt.Errorf("state: %w", err)
	}
	return Tile{Index: uint32(next + skip), State: state}, rest, nil
}

// cutSized takes bytes that follow their length.
func cutSized(data []byte) (value, rest []byte, err error) {
	size, rest, err := cutUvarint(data)
	switch {
	case err != nil:
		return nil, nil, fmt.Errorf("length: %w", err)
	case size > uint64(len(rest)):
		return nil, nil, fmt.Errorf("%d bytes in %d", size, len(rest))
	}
	return rest[:size:size], rest[size:], nil
}

// cutUvarint takes the shortest form only, so that every list has one encoding.
func cutUvarint(data []byte) (v uint64, rest []byte, err error) {
	v, n := binary.Uvarint(data)
	if n <= 0 {
		return 0, nil, fmt.Errorf("no number")
	}
	if n > 1 && data[n-1] == 0 {
		return 0, nil, fmt.Errorf("number in a longer form than needed")
	}
	return v, data[n:], nil
}
