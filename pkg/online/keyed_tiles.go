package online

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"iter"
)

// keyedTilesVersion is the first byte of every encoded list of keyed tiles. It is
// no version of plain tiles, so that neither is taken for the other.
const keyedTilesVersion = 2

// KeyedTiles are the tiles that one secondary key has in a block.
type KeyedTiles struct {
	Key   []byte // encoded; opaque here, and not empty
	Tiles []byte // as AppendTiles writes them; at least one
}

// AppendKeyedTiles appends the Value of a KindTile cell of a view with a secondary
// key: the keys that have tiles in the block, in ascending order of their bytes.
//
//	version, then per key: length of key, key, length of tiles, tiles
//
// A key stands once for all of its tiles, as it may be longer than their states.
// An order that does not ascend, and a key that is empty or has no tiles, is an
// error. The result may exceed MaxValueBytes; the store refuses that.
func AppendKeyedTiles(dst []byte, keys []KeyedTiles) ([]byte, error) {
	dst = append(dst, keyedTilesVersion)
	var last []byte
	for _, k := range keys {
		if err := k.check(last); err != nil {
			return nil, err
		}
		dst = append(binary.AppendUvarint(dst, uint64(len(k.Key))), k.Key...)
		dst = append(binary.AppendUvarint(dst, uint64(len(k.Tiles))), k.Tiles...)
		last = k.Key
	}
	return dst, nil
}

// TilesByKey yields what AppendKeyedTiles was given. An ErrDamaged ends it; what
// came before that must not be used then. The bytes share memory with value.
func TilesByKey(value []byte) iter.Seq2[KeyedTiles, error] {
	return func(yield func(KeyedTiles, error) bool) {
		if len(value) == 0 || value[0] != keyedTilesVersion {
			yield(KeyedTiles{}, fmt.Errorf("%w: tiles by key not of version %d", ErrDamaged, keyedTilesVersion))
			return
		}
		var last []byte
		for rest := value[1:]; len(rest) > 0; {
			k, after, err := cutKeyedTiles(rest)
			if err == nil {
				err = k.check(last)
			}
			if err != nil {
				yield(KeyedTiles{}, fmt.Errorf("%w: key at byte %d: %w", ErrDamaged, len(value)-len(rest), err))
				return
			}
			if !yield(k, nil) {
				return
			}
			last, rest = k.Key, after
		}
	}
}

// check refuses what cannot follow a key; nil is the beginning.
func (k KeyedTiles) check(last []byte) error {
	switch {
	case bytes.Compare(k.Key, last) <= 0:
		return fmt.Errorf("key %x after key %x", k.Key, last)
	case len(k.Tiles) <= 1: // the version
		return fmt.Errorf("key %x without tiles", k.Key)
	}
	return nil
}

func cutKeyedTiles(data []byte) (k KeyedTiles, rest []byte, err error) {
	if k.Key, rest, err = cutSized(data); err != nil {
		return k, nil, fmt.Errorf("key: %w", err)
	}
	if k.Tiles, rest, err = cutSized(rest); err != nil {
		return k, nil, fmt.Errorf("tiles: %w", err)
	}
	return k, rest, nil
}
