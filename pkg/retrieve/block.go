package retrieve

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"slices"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"

	"github.com/tilery/tilery/pkg/feature"
	"github.com/tilery/tilery/pkg/record"
	"github.com/tilery/tilery/pkg/window"
)

// block is the rows of the spine that are in memory, as the records that they came in.
type block struct {
	records []arrow.Record
	rows    int
	bytes   int64 // of the values
}

func (b *block) add(rec arrow.Record) {
	b.records = append(b.records, rec)
	b.rows += int(rec.NumRows())
	b.bytes += recordBytes
	for _, column := range rec.Columns() {
		b.bytes += columnBytes(column)
	}
}

func (b *block) release() {
	for _, rec := range b.records {
		rec.Release()
	}
	*b = block{}
}

// halves returns two blocks of the rows, in their order. The block has two rows at
// least; it stays as it is.
func (b *block) halves() [2]*block {
	var out [2]*block
	middle := b.rows / 2
	first := 0
	out[0], out[1] = &block{}, &block{}
	for _, rec := range b.records {
		rows := int(rec.NumRows())
		cut := min(max(middle-first, 0), rows)
		if cut > 0 {
			out[0].add(rec.NewSlice(0, int64(cut)))
		}
		if cut < rows {
			out[1].add(rec.NewSlice(int64(cut), int64(rows)))
		}
		first += rows
	}
	return out
}

// entry is a row of a block that has a key and a time.
type entry struct {
	prefix uint64 // of the key, what follows the bytes that all keys begin with
	time   window.Time
	row    int32
}

// blockKeys are the encoded keys of a block's rows, of one view.
type blockKeys struct {
	text   []byte
	ends   []int         // by row
	times  []window.Time // by row
	null   []bool        // by row: without key or time
	common int           // bytes that all keys begin with
	long   bool          // the prefixes of two keys may be equal
}

func newBlockKeys(b *block, keys []feature.Field, columns []int, time int) (*blockKeys, error) {
	k := &blockKeys{ends: make([]int, 0, b.rows), times: make([]window.Time, 0, b.rows), null: make([]bool, 0, b.rows)}
	for _, rec := range b.records {
		if err := k.add(rec, keys, columns, time); err != nil {
			return nil, err
		}
	}
	k.measure()
	return k, nil
}

func (k *blockKeys) add(rec arrow.Record, keys []feature.Field, columns []int, time int) error {
	encoder, err := keyEncoder(keys, rec, columns)
	if err != nil {
		return err
	}
	nullable := []arrow.Array{rec.Column(time)}
	for _, column := range columns {
		nullable = append(nullable, rec.Column(column))
	}
	nullable = slices.DeleteFunc(nullable, func(column arrow.Array) bool { return column.NullN() == 0 })
	for row, at := range rec.Column(time).(*array.Timestamp).TimestampValues() {
		start := len(k.text)
		k.text = encoder.Append(k.text, row)
		null := slices.ContainsFunc(nullable, func(column arrow.Array) bool { return column.IsNull(row) })
		if null || len(k.text)-start > record.MaxKeyBytes { // no table holds such a key
			k.text, null = k.text[:start], true
		}
		k.ends = append(k.ends, len(k.text))
		k.times = append(k.times, bounded(at))
		k.null = append(k.null, null)
	}
	return nil
}

func (k *blockKeys) key(row int32) []byte {
	start := 0
	if row > 0 {
		start = k.ends[row-1]
	}
	return k.text[start:k.ends[row]]
}

// measure finds what all keys begin with.
func (k *blockKeys) measure() {
	first := slices.Index(k.null, false)
	if first < 0 {
		return
	}
	common := k.key(int32(first))
	longest := 0
	for row, null := range k.null {
		if null {
			continue
		}
		key := k.key(int32(row))
		longest = max(longest, len(key))
		if !bytes.HasPrefix(key, common) {
			n := 0
			for n < min(len(key), len(common)) && key[n] == common[n] {
				n++
			}
			common = common[:n]
		}
	}
	// No key is the beginning of another: those that end within the prefix differ in it.
	k.common, k.long = len(common), longest > len(common)+8
}

func (k *blockKeys) entry(row int32) entry {
	key := k.key(row)[k.common:]
	var word [8]byte
	if copy(word[:], key) == len(word) {
		return entry{binary.BigEndian.Uint64(key), k.times[row], row}
	}
	return entry{binary.BigEndian.Uint64(word[:]), k.times[row], row}
}

func (k *blockKeys) compareKeys(a, b entry) int {
	if a.prefix != b.prefix {
		return cmp.Compare(a.prefix, b.prefix)
	}
	if !k.long {
		return 0
	}
	return bytes.Compare(k.key(a.row), k.key(b.row))
}

func (k *blockKeys) compare(a, b entry) int {
	if c := k.compareKeys(a, b); c != 0 {
		return c
	}
	return cmp.Or(cmp.Compare(a.time, b.time), cmp.Compare(a.row, b.row))
}

// samples is how many rows are looked at to divide keys, for each range of them.
const samples = 256

// divide returns the rows that have a key and a time in n parts of about the same
// size, not yet sorted. All keys of one lie before those of the next.
func (k *blockKeys) divide(n int) [][]entry {
	bounds := k.bounds(n)
	parts := make([][]entry, len(bounds)+1)
	for i := range parts {
		parts[i] = make([]entry, 0, len(k.null)/len(parts)+len(k.null)/16)
	}
	for row, null := range k.null {
		if null {
			continue
		}
		e := k.entry(int32(row))
		part, _ := slices.BinarySearchFunc(bounds, e, func(bound, e entry) int {
			if k.compareKeys(bound, e) <= 0 {
				return -1
			}
			return 1
		})
		parts[part] = append(parts[part], e)
	}
	return parts
}

// bounds returns the least keys of the parts but the first one.
func (k *blockKeys) bounds(n int) []entry {
	if n == 1 {
		return nil
	}
	var sample []entry
	for row := 0; row < len(k.null); row += 1 + len(k.null)/(n*samples) {
		if !k.null[row] {
			sample = append(sample, k.entry(int32(row)))
		}
	}
	slices.SortFunc(sample, k.compareKeys)
	sample = slices.CompactFunc(sample, func(a, b entry) bool { return k.compareKeys(a, b) == 0 })
	var bounds []entry
	for i := 1; i < n; i++ {
		if at := len(sample) * i / n; at > 0 {
			bounds = append(bounds, sample[at])
		}
	}
	return slices.CompactFunc(bounds, func(a, b entry) bool { return k.compareKeys(a, b) == 0 })
}
