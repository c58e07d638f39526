package online

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"fmt"
	"slices"

	"github.com/tilery/tilery/pkg/window"
)

// keyVersion is the first byte of every encoded key.
const keyVersion = 1

// A store's cells are those of its entities, then its own. The scopes keep an
// empty entity apart from no entity.
const (
	scopeEntity = 1
	scopeStore  = 2
)

// Store and entity end with {0x00, 0x01}; a zero byte inside is {0x00, 0xff}.
// So byte order is kept, and nothing that is encoded is a prefix of another.
const (
	escape     = 0x00
	escapeEnd  = 0x01
	escapeZero = 0xff
)

// AppendKey appends the encoding of a key that passes CheckKey:
//
//	version, store, scope, entity, kind, level, block, writer
//
// Byte order is the order of these fields, a kind's unused ones left out: an
// entity's cells lie together, its fence first, then its tiles, then its rows;
// a store's status and progress come after its entities.
func AppendKey(dst []byte, k Key) []byte {
	dst = appendStore(dst, k.Store)
	switch k.Kind {
	case KindStatus, KindProgress:
		dst = append(dst, scopeStore, byte(k.Kind))
	default:
		dst = append(dst, scopeEntity)
		dst = appendEscaped(dst, k.Entity)
		dst = append(dst, byte(k.Kind))
	}
	if k.Kind == KindTile {
		dst = append(dst, k.Level)
		dst = binary.BigEndian.AppendUint64(dst, uint64(k.Block)^1<<63)
	}
	return append(dst, k.Writer...)
}

// size is about the length of the encoding, which zero bytes make longer.
func (k Key) size() int { return len(k.Store) + len(k.Entity) + len(k.Writer) + 16 }

// DecodeKey reads an encoded key; whatever AppendKey would not write is
// ErrDamaged. The key shares no memory with data.
func DecodeKey(data []byte) (Key, error) {
	k, err := parseKey(data)
	if err == nil {
		err = CheckKey(k)
	}
	if err != nil {
		return Key{}, fmt.Errorf("%w: key %x: %v", ErrDamaged, data, err) //nolint:errorlint // what is stored is wrong, not the call: no ErrTooLarge
	}
	return k, nil
}

func parseKey(data []byte) (k Key, err error) {
	if len(data) == 0 || data[0] != keyVersion {
		return k, fmt.Errorf("not of version %d", keyVersion)
	}
	store, rest, err := cutEscaped(data[1:])
	if err != nil {
		return k, fmt.Errorf("store: %w", err)
	}
	k.Store = string(store)
	if len(rest) == 0 {
		return k, fmt.Errorf("no scope")
	}
	scope, rest := rest[0], rest[1:]
	if scope == scopeEntity {
		if k.Entity, rest, err = cutEscaped(rest); err != nil {
			return k, fmt.Errorf("entity: %w", err)
		}
	}
	if len(rest) == 0 {
		return k, fmt.Errorf("no kind")
	}
	k.Kind, rest = Kind(rest[0]), rest[1:]
	want := byte(scopeEntity)
	if k.Kind == KindStatus || k.Kind == KindProgress {
		want = scopeStore
	}
	if scope != want {
		return k, fmt.Errorf("kind %d in scope %d", k.Kind, scope)
	}
	if k.Kind == KindTile {
		if len(rest) < 9 {
			return k, fmt.Errorf("%d bytes for level and block", len(rest))
		}
		k.Level, k.Block = rest[0], window.Time(binary.BigEndian.Uint64(rest[1:])^1<<63)
		rest = rest[9:]
	}
	if len(rest) > 0 {
		k.Writer = bytes.Clone(rest)
	}
	return k, nil
}

// SplitKey returns the length of the part of an encoded key that all cells of
// its entity share, or all cells of the store that have no entity: what a
// driver hashes, partitions and filters by. It accepts any bytes, and returns
// len(key) where that part does not end.
func SplitKey(key []byte) int {
	if len(key) == 0 || key[0] != keyVersion {
		return len(key)
	}
	store := escapedLen(key[1:])
	scope := 1 + store
	switch {
	case store == 0 || scope == len(key):
		return len(key)
	case key[scope] != scopeEntity:
		return scope + 1
	}
	entity := escapedLen(key[scope+1:])
	if entity == 0 {
		return len(key)
	}
	return scope + 1 + entity
}

// Range is the encoded keys in [From, To).
type Range struct{ From, To []byte }

// StoreRange returns the keys of all cells of a store.
func StoreRange(store string) Range {
	from := appendStore(nil, store)
	return Range{From: from, To: prefixEnd(from)}
}

// TreeRanges returns the keys of all cells of a store and of those whose names go on
// from its own with a slash.
func TreeRanges(store string) []Range {
	below := appendStore(nil, store+"/")
	below = below[:len(below)-2] // without the end of the name
	return []Range{StoreRange(store), {From: below, To: prefixEnd(below)}}
}

// Ranges returns the keys that r asks for: disjoint ranges in key order, each
// within one entity. Blocks may overlap and stand in any order.
func (r Read) Ranges() []Range {
	key := Key{Store: r.Store, Entity: r.Entity, Kind: KindFence}
	fence := AppendKey(nil, key)
	out := make([]Range, 0, len(r.Blocks)+2)
	out = append(out, Range{From: fence, To: append(bytes.Clone(fence), 0)})
	key.Kind = KindTile
	for _, b := range mergeBlocks(r.Blocks) {
		key.Level = b.Level
		key.Block = b.From
		from := AppendKey(nil, key)
		key.Block = b.To
		out = append(out, Range{From: from, To: AppendKey(nil, key)})
	}
	if r.Row {
		rows := AppendKey(nil, Key{Store: r.Store, Entity: r.Entity, Kind: KindRow})
		out = append(out, Range{From: rows, To: prefixEnd(rows)})
	}
	return out
}

// mergeBlocks sorts blocks and makes them disjoint, so that no cell is read twice.
func mergeBlocks(blocks []Blocks) []Blocks {
	sorted := slices.DeleteFunc(slices.Clone(blocks), func(b Blocks) bool { return b.From >= b.To })
	slices.SortFunc(sorted, func(a, b Blocks) int {
		return cmp.Or(cmp.Compare(a.Level, b.Level), cmp.Compare(a.From, b.From))
	})
	out := sorted[:0]
	for _, b := range sorted {
		if n := len(out); n > 0 && out[n-1].Level == b.Level && b.From <= out[n-1].To {
			out[n-1].To = max(out[n-1].To, b.To)
			continue
		}
		out = append(out, b)
	}
	return out
}

// prefixEnd returns the end of all keys with a prefix, whose last byte is never 0xff.
func prefixEnd(prefix []byte) []byte {
	end := bytes.Clone(prefix)
	end[len(end)-1]++
	return end
}

func appendStore(dst []byte, store string) []byte {
	return appendEscaped(append(dst, keyVersion), store)
}

func appendEscaped[T string | []byte](dst []byte, v T) []byte {
	for i := range len(v) {
		dst = append(dst, v[i])
		if v[i] == escape {
			dst = append(dst, escapeZero)
		}
	}
	return append(dst, escape, escapeEnd)
}

// escapedLen returns the length of the escaped bytes that data begins with,
// their end included; 0 if they do not end.
func escapedLen(data []byte) int {
	for at := 0; ; at += 2 {
		zero := bytes.IndexByte(data[at:], escape)
		if zero < 0 || at+zero+1 == len(data) {
			return 0
		}
		at += zero
		if data[at+1] == escapeEnd {
			return at + 2
		}
	}
}

// cutEscaped returns the bytes that data begins with, nil if none, and what follows them.
func cutEscaped(data []byte) (value, rest []byte, err error) {
	n := escapedLen(data)
	if n == 0 {
		return nil, nil, fmt.Errorf("no end")
	}
	for i := 0; i < n-2; i++ {
		value = append(value, data[i])
		if data[i] != escape {
			continue
		}
		if i++; data[i] != escapeZero {
			return nil, nil, fmt.Errorf("byte %#x after a zero", data[i])
		}
	}
	return value, data[n:], nil
}
