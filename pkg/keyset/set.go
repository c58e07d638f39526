package keyset

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"sort"

	"github.com/tilery/tilery/pkg/record"
)

// MaxKeys bounds a set.
const MaxKeys = 500_000

var (
	// ErrDamaged is an encoded set that cannot be decoded.
	ErrDamaged = errors.New("damaged set of keys")
	// ErrTooMany is a set past MaxKeys.
	ErrTooMany = errors.New("too many keys")
)

// Set is encoded join keys (record.AppendKey) in byte order, each once. It is immutable.
type Set struct {
	text []byte
	ends []uint32
}

// New returns the set of keys, which may come in any order and several times.
func New(keys [][]byte) (*Set, error) {
	sorted := slices.Clone(keys)
	slices.SortFunc(sorted, bytes.Compare)
	sorted = slices.CompactFunc(sorted, bytes.Equal)
	if len(sorted) > MaxKeys {
		return nil, fmt.Errorf("%w: %d, at most %d", ErrTooMany, len(sorted), MaxKeys)
	}
	s := &Set{ends: make([]uint32, 0, len(sorted))}
	for _, key := range sorted {
		if len(key) == 0 || len(key) > record.MaxKeyBytes {
			return nil, fmt.Errorf("%w: %d bytes, want 1 to %d", record.ErrKey, len(key), record.MaxKeyBytes)
		}
		s.text = append(s.text, key...)
		s.ends = append(s.ends, uint32(len(s.text)))
	}
	return s, nil
}

// Len returns how many keys there are.
func (s *Set) Len() int { return len(s.ends) }

// Key returns the key at i in byte order. It shares memory with the set.
func (s *Set) Key(i int) []byte {
	start := uint32(0)
	if i > 0 {
		start = s.ends[i-1]
	}
	return s.text[start:s.ends[i]:s.ends[i]]
}

// Search returns the index of the first key that is not below key; Len if there is none.
func (s *Set) Search(key []byte) int {
	return sort.Search(s.Len(), func(i int) bool { return bytes.Compare(s.Key(i), key) >= 0 })
}

// Contains reports whether key is in the set.
func (s *Set) Contains(key []byte) bool {
	i := s.Search(key)
	return i < s.Len() && bytes.Equal(s.Key(i), key)
}

// Digest identifies the set: the SHA-256 of its encoding, 64 hexadecimal digits.
func (s *Set) Digest() string {
	sum := sha256.Sum256(s.Encode())
	return hex.EncodeToString(sum[:])
}

// magic begins an encoded set, with its format.
const (
	magicSet    = "tilery keys 1\n"
	magicHashed = "tilery hash 1\n"
)

// Encode returns the set as bytes: magic, count, each key after its length, checksum.
func (s *Set) Encode() []byte {
	out := make([]byte, 0, len(magicSet)+4+len(s.text)+2*s.Len()+sha256.Size)
	out = append(out, magicSet...)
	out = binary.BigEndian.AppendUint32(out, uint32(s.Len()))
	for i := range s.Len() {
		out = binary.BigEndian.AppendUint16(out, uint16(len(s.Key(i))))
		out = append(out, s.Key(i)...)
	}
	return seal(out)
}

// Decode reads what Encode wrote, and nothing else.
func Decode(data []byte) (*Set, error) {
	count, rest, err := open(data, magicSet)
	if err != nil {
		return nil, err
	}
	s := &Set{ends: make([]uint32, 0, count)}
	for i := range count {
		if len(rest) < 2 {
			return nil, fmt.Errorf("%w: it ends before key %d", ErrDamaged, i)
		}
		size := int(binary.BigEndian.Uint16(rest))
		if rest = rest[2:]; size == 0 || size > record.MaxKeyBytes || size > len(rest) {
			return nil, fmt.Errorf("%w: key %d of %d bytes", ErrDamaged, i, size)
		}
		if i > 0 && bytes.Compare(s.Key(i-1), rest[:size]) >= 0 {
			return nil, fmt.Errorf("%w: key %d is out of order", ErrDamaged, i)
		}
		s.text = append(s.text, rest[:size]...)
		s.ends = append(s.ends, uint32(len(s.text)))
		rest = rest[size:]
	}
	if len(rest) > 0 {
		return nil, fmt.Errorf("%w: %d bytes too many", ErrDamaged, len(rest))
	}
	return s, nil
}

func seal(body []byte) []byte {
	sum := sha256.Sum256(body)
	return append(body, sum[:]...)
}

// open returns the count that follows the magic, and what is between it and the checksum.
func open(data []byte, magic string) (count int, rest []byte, err error) {
	head := len(magic) + 4
	if len(data) < head+sha256.Size || string(data[:len(magic)]) != magic {
		return 0, nil, fmt.Errorf("%w: %d bytes without its beginning", ErrDamaged, len(data))
	}
	body, sum := data[:len(data)-sha256.Size], data[len(data)-sha256.Size:]
	if got := sha256.Sum256(body); !bytes.Equal(got[:], sum) {
		return 0, nil, fmt.Errorf("%w: checksum", ErrDamaged)
	}
	count = int(binary.BigEndian.Uint32(body[len(magic):]))
	if count > MaxKeys {
		return 0, nil, fmt.Errorf("%w: %d keys, at most %d", ErrDamaged, count, MaxKeys)
	}
	return count, body[head:], nil
}
