package materialize

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"hash/maphash"
	"slices"

	"github.com/tilery/tilery/pkg/record"
)

// keyTable numbers encoded keys in the order of their coming. Nothing in it
// points to a key, so the garbage collector has no part in it however many there
// are, and emptied it keeps its memory.
type keyTable struct {
	seed  maphash.Seed
	slots []keySlot // open addressing; as many as a power of two, three of four at most taken
	ends  []int     // by number: where the key ends in text
	text  []byte
}

type keySlot struct {
	hash uint32
	next int32 // number + 1; 0: free
}

const minKeySlots = 1 << 10

func newKeyTable() *keyTable {
	return &keyTable{seed: maphash.MakeSeed(), slots: make([]keySlot, minKeySlots)}
}

func (k *keyTable) len() int { return len(k.ends) }

// bytes counts the keys' values beside their encoding, and what a groupOrder takes.
func (k *keyTable) bytes() int64 {
	return int64(len(k.ends))*(8+8*2+2*4) + 2*int64(len(k.text)) // slots: half are free on average
}

func (k *keyTable) reset() {
	clear(k.slots)
	k.ends, k.text = k.ends[:0], k.text[:0]
}

func (k *keyTable) key(number int32) []byte {
	start := 0
	if number > 0 {
		start = k.ends[number-1]
	}
	return k.text[start:k.ends[number]]
}

// keyBatch holds encoded keys that are looked up together.
type keyBatch struct {
	ends   []int32 // where each ends in text
	text   []byte
	hashes []uint32 // scratch of findAll
}

func (b *keyBatch) reset() { b.ends, b.text = b.ends[:0], b.text[:0] }

// add appends a row's key and returns its length in bytes.
func (b *keyBatch) add(encoder *record.KeyEncoder, row int) int {
	start := len(b.text)
	b.text = encoder.Append(b.text, row)
	b.ends = append(b.ends, int32(len(b.text)))
	return len(b.text) - start
}

// findAll appends the numbers of the keys in batch, and numbers those that are new.
// It goes over them once for each kind of memory that it reads: what one key waits
// for does not hold up the next then, which counts with tables larger than a cache.
func (k *keyTable) findAll(numbers []int32, batch *keyBatch) []int32 {
	batch.hashes = batch.hashes[:0]
	start := int32(0)
	for _, end := range batch.ends {
		batch.hashes = append(batch.hashes, k.hash(batch.text[start:end]))
		start = end
	}
	mask := uint32(len(k.slots) - 1)
	for _, hash := range batch.hashes {
		guess := int32(-1)
		if slot := k.slots[hash&mask]; slot.hash == hash {
			guess = slot.next - 1
		}
		numbers = append(numbers, guess)
	}
	start = 0
	for i, end := range batch.ends {
		key := batch.text[start:end]
		if guess := numbers[i]; guess < 0 || !bytes.Equal(k.key(guess), key) {
			numbers[i] = k.find(key, batch.hashes[i])
		}
		start = end
	}
	return numbers
}

func (k *keyTable) hash(key []byte) uint32 { return uint32(maphash.Bytes(k.seed, key)) }

// find returns the number of a key, and numbers it when it is new.
func (k *keyTable) find(key []byte, hash uint32) int32 {
	mask := uint32(len(k.slots) - 1)
	for at := hash & mask; ; at = (at + 1) & mask {
		slot := k.slots[at]
		if slot.next == 0 {
			break
		}
		if slot.hash == hash && bytes.Equal(k.key(slot.next-1), key) {
			return slot.next - 1
		}
	}
	k.text = append(k.text, key...)
	k.ends = append(k.ends, len(k.text))
	if len(k.ends) > len(k.slots)/4*3 {
		k.grow()
	}
	k.put(keySlot{hash, int32(len(k.ends))})
	return int32(len(k.ends) - 1)
}

func (k *keyTable) put(slot keySlot) {
	mask := uint32(len(k.slots) - 1)
	at := slot.hash & mask
	for k.slots[at].next != 0 {
		at = (at + 1) & mask
	}
	k.slots[at] = slot
}

func (k *keyTable) grow() {
	old := k.slots
	k.slots = make([]keySlot, 2*len(old))
	for _, slot := range old {
		if slot.next != 0 {
			k.put(slot)
		}
	}
}

// sorted returns the numbers in the order of their keys.
func (k *keyTable) sorted() []int32 {
	// Keys of one view begin alike. The eight bytes after that tell nearly all apart
	// without a look at the keys themselves.
	type entry struct {
		prefix uint64
		number int32
	}
	entries := make([]entry, k.len())
	common := k.commonPrefix()
	for i := range entries {
		var word [8]byte
		copy(word[:], k.key(int32(i))[common:])
		entries[i] = entry{binary.BigEndian.Uint64(word[:]), int32(i)}
	}
	slices.SortFunc(entries, func(x, y entry) int {
		if c := cmp.Compare(x.prefix, y.prefix); c != 0 {
			return c
		}
		return bytes.Compare(k.key(x.number), k.key(y.number))
	})
	out := make([]int32, len(entries))
	for i, e := range entries {
		out[i] = e.number
	}
	return out
}

// commonPrefix returns how many bytes all keys begin with alike.
func (k *keyTable) commonPrefix() int {
	if k.len() == 0 {
		return 0
	}
	first := k.key(0)
	common := len(first)
	for i := 1; i < k.len(); i++ {
		key := k.key(int32(i))
		for n := range min(common, len(key)) + 1 {
			if n == common || n == len(key) || key[n] != first[n] {
				common = n
				break
			}
		}
	}
	return common
}
