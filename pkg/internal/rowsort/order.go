package rowsort

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"fmt"
	"slices"

	"github.com/tilery/tilery/pkg/record"
)

// entry stands for a row.
type entry struct {
	prefix uint64 // of the key, after what all have in common
	time   int64
	place  record.Place // in the order of adding
}

// keyPrefixes cuts eight bytes out of keys, from where the first of them differ: keys of
// one view begin alike.
type keyPrefixes struct {
	start   []byte // of all keys
	any     bool
	longest int // key

	// The keys of the record that was added last.
	text []byte
	ends []int
}

func (k *keyPrefixes) reset() { k.start, k.any, k.longest = k.start[:0], false, 0 }

// common is how many bytes all keys begin with alike.
func (k *keyPrefixes) common() int { return len(k.start) }

// add looks at the keys of a chunk. record.ErrKey.
func (k *keyPrefixes) add(c *chunk) error {
	k.text, k.ends = k.text[:0], k.ends[:0]
	for row := range c.times {
		from := len(k.text)
		k.text = c.keys.Append(k.text, row)
		k.ends = append(k.ends, len(k.text))
		key := k.text[from:]
		if len(key) > record.MaxKeyBytes {
			return fmt.Errorf("%w: %d bytes, at most %d are allowed", record.ErrKey, len(key), record.MaxKeyBytes)
		}
		k.longest = max(k.longest, len(key))
		if !k.any {
			k.start, k.any = append(k.start[:0], key...), true
		}
		if !bytes.HasPrefix(key, k.start) {
			n := 0
			for n < len(key) && key[n] == k.start[n] {
				n++
			}
			k.start = k.start[:n]
		}
	}
	return nil
}

// prefixOf is that of a row of the record that was added last.
func (k *keyPrefixes) prefixOf(row int) uint64 {
	from := 0
	if row > 0 {
		from = k.ends[row-1]
	}
	return k.prefix(k.text[from:k.ends[row]])
}

func (k *keyPrefixes) prefix(key []byte) uint64 {
	if rest := key[len(k.start):]; len(rest) >= 8 {
		return binary.BigEndian.Uint64(rest)
	}
	var word [8]byte
	copy(word[:], key[len(k.start):])
	return binary.BigEndian.Uint64(word[:])
}

// exact reports whether the prefixes tell keys apart: all that follows what they have in
// common is in them, and as no key is the beginning of another, zeros at the end make
// none alike.
func (k *keyPrefixes) exact() bool { return k.longest <= len(k.start)+8 }

// sort puts the entries of a part in order. There are no pending rows.
func (s *Sorter) sort(p *part) {
	if p.sorted {
		return
	}
	s.refresh(p.entries)
	p.entries, s.spare = sortEntries(p.entries, s.spare)
	o := &order{chunks: s.chunks, exact: s.keys.exact(), last: s.spec.Last}
	before := len(p.entries)
	p.entries, p.sorted = o.settleAll(p.entries), true
	s.dropped += int64(before - len(p.entries))
}

// refresh remakes the prefixes that were cut out when the keys had more in common.
func (s *Sorter) refresh(entries []entry) {
	var key []byte
	for i := range entries {
		e := &entries[i]
		if c := s.chunks[e.place>>32]; c.common != s.keys.common() {
			key = c.keys.Append(key[:0], int(uint32(e.place)))
			e.prefix = s.keys.prefix(key)
		}
	}
}

// order settles what prefixes and times do not tell.
type order struct {
	chunks []*chunk
	exact  bool
	last   bool
	a, b   []byte // scratch
}

// settleAll puts entries in order that are sorted by prefix, time and place, and leaves
// out those that Last drops.
func (o *order) settleAll(entries []entry) []entry {
	kept := entries[:0]
	for from := 0; from < len(entries); {
		to := from + 1
		for to < len(entries) && entries[to].prefix == entries[from].prefix {
			to++
		}
		kept = o.settle(kept, entries[from:to])
		from = to
	}
	return kept
}

// settle appends entries of one prefix to kept, which may be the same memory before them.
func (o *order) settle(kept, entries []entry) []entry {
	if len(entries) == 1 || o.exact || o.oneKey(entries) {
		return o.settleKey(kept, entries)
	}
	slices.SortFunc(entries, func(x, y entry) int {
		return cmp.Or(o.compareKeys(x, y), cmp.Compare(x.time, y.time), cmp.Compare(x.place, y.place))
	})
	for from := 0; from < len(entries); {
		to := from + 1
		for to < len(entries) && o.compareKeys(entries[from], entries[to]) == 0 {
			to++
		}
		kept = o.settleKey(kept, entries[from:to])
		from = to
	}
	return kept
}

// oneKey reports whether all entries are of the same key, as most of one prefix are.
func (o *order) oneKey(entries []entry) bool {
	for _, e := range entries[1:] {
		if o.compareKeys(entries[0], e) != 0 {
			return false
		}
	}
	return true
}

// settleKey is settle for one key.
func (o *order) settleKey(kept, entries []entry) []entry {
	for from := 0; from < len(entries); {
		to := from + 1
		for to < len(entries) && entries[to].time == entries[from].time {
			to++
		}
		switch same := entries[from:to]; {
		case len(same) > 1 && o.last:
			kept = append(kept, same[len(same)-1])
		case len(same) > 1:
			slices.SortFunc(same, o.compareValues)
			fallthrough
		default:
			kept = append(kept, same...)
		}
		from = to
	}
	return kept
}

func (o *order) compareKeys(x, y entry) int {
	o.a = o.chunks[x.place>>32].keys.Append(o.a[:0], int(uint32(x.place)))
	o.b = o.chunks[y.place>>32].keys.Append(o.b[:0], int(uint32(y.place)))
	return bytes.Compare(o.a, o.b)
}

func (o *order) compareValues(x, y entry) int {
	o.a = o.chunks[x.place>>32].values.Append(o.a[:0], int(uint32(x.place)))
	o.b = o.chunks[y.place>>32].values.Append(o.b[:0], int(uint32(y.place)))
	return bytes.Compare(o.a, o.b)
}
