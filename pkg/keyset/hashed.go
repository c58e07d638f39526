package keyset

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"iter"
	"maps"
	"slices"
)

// hashBytes is the length of a key's hash.
const hashBytes = 16

// Hash stands for a key in a Hashed set.
type Hash [hashBytes]byte

// HashOf returns the hash of an encoded key.
func HashOf(key []byte) Hash {
	sum := sha256.Sum256(key)
	return Hash(sum[:hashBytes])
}

// Hashed is a set that does not hold its keys. It is immutable.
type Hashed struct{ hashes map[Hash]struct{} }

// Hashed returns the set without its keys.
func (s *Set) Hashed() *Hashed {
	h := &Hashed{hashes: make(map[Hash]struct{}, s.Len())}
	for i := range s.Len() {
		h.hashes[HashOf(s.Key(i))] = struct{}{}
	}
	return h
}

// Len returns how many keys there are.
func (h *Hashed) Len() int { return len(h.hashes) }

// Contains reports whether the encoded key is in the set.
func (h *Hashed) Contains(key []byte) bool {
	_, ok := h.hashes[HashOf(key)]
	return ok
}

// Hashes returns the hashes of the keys, in no order.
func (h *Hashed) Hashes() iter.Seq[Hash] { return maps.Keys(h.hashes) }

// Digest identifies the set: the SHA-256 of its encoding, 64 hexadecimal digits.
func (h *Hashed) Digest() string {
	sum := sha256.Sum256(h.Encode())
	return hex.EncodeToString(sum[:])
}

// Encode returns the set as bytes: magic, count, hashes in order, checksum.
func (h *Hashed) Encode() []byte {
	sorted := make([]Hash, 0, h.Len())
	for sum := range h.hashes {
		sorted = append(sorted, sum)
	}
	slices.SortFunc(sorted, func(a, b Hash) int { return bytes.Compare(a[:], b[:]) })
	out := binary.BigEndian.AppendUint32([]byte(magicHashed), uint32(h.Len()))
	for _, sum := range sorted {
		out = append(out, sum[:]...)
	}
	return seal(out)
}

// DecodeHashed reads what Encode wrote, and nothing else.
func DecodeHashed(data []byte) (*Hashed, error) {
	count, rest, err := open(data, magicHashed)
	if err != nil {
		return nil, err
	}
	if len(rest) != count*hashBytes {
		return nil, fmt.Errorf("%w: %d bytes of %d hashes", ErrDamaged, len(rest), count)
	}
	h := &Hashed{hashes: make(map[Hash]struct{}, count)}
	var last []byte
	for part := range slices.Chunk(rest, hashBytes) {
		if bytes.Compare(last, part) >= 0 {
			return nil, fmt.Errorf("%w: hashes are out of order", ErrDamaged)
		}
		h.hashes[Hash(part)], last = struct{}{}, part
	}
	return h, nil
}
