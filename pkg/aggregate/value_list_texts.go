package aggregate

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"math/bits"
	"slices"

	"github.com/apache/arrow/go/v15/arrow"

	"github.com/tilery/tilery/pkg/feature"
)

// textLists holds lists of Strings or arrays, as numberLists does of numbers. An
// entry's key is where its text is in the list's own: its length as a uvarint,
// and then the text. Texts of entries that are gone stay until the list settles,
// which it also does when there is no room for another.
type textLists struct {
	listSpec
	of     []textList
	runs   runs[listEntry]
	texts  textRuns
	arrays arrayScratch
	packed []byte // scratch of settle
}

type textList struct {
	entries []listEntry
	text    []byte
	listState
}

func (p *textLists) grow(n int) { p.of = extend(p.of, n) }

func (p *textLists) bytes() int64 { return bytesOf(p.of) + p.runs.bytes() + p.texts.bytes() }

func (p *textLists) reset() {
	p.of = p.of[:0]
	p.runs.reset()
	p.texts.reset()
}

func (p *textLists) add(groups []int32, times []arrow.Timestamp, values arrow.Array) {
	if len(groups) == 0 {
		return
	}
	column := newTextColumn(values, &p.arrays)
	for i, g := range groups {
		if g < 0 {
			continue
		}
		// Values that come too late for the list need not be read.
		if l := &p.of[g]; !l.ended || int64(times[i])^p.flip >= l.entries[0].time {
			column.rewind()
			p.offer(int(g), timedValue{time: int64(times[i]), text: column.at(i)})
		}
	}
}

func (p *textLists) offer(group int, v timedValue) {
	time, l := v.time^p.flip, &p.of[group]
	if l.ended {
		first := l.entries[0]
		if time < first.time || time == first.time && p.rankTexts(v.text, l.at(first)) <= 0 {
			return
		}
	}
	if p.distinct && l.renew(time, v.text) {
		return
	}
	if need := uvarintLen(len(v.text)) + len(v.text); len(l.entries) == cap(l.entries) || len(l.text)+need > cap(l.text) {
		p.makeRoom(l, need)
	}
	l.entries = append(l.entries, listEntry{time, int64(len(l.text))})
	l.text = append(binary.AppendUvarint(l.text, uint64(len(v.text))), v.text...)
}

func uvarintLen(n int) int { return (max(bits.Len(uint(n)), 1) + 6) / 7 }

// rankTexts orders texts of one time; the greatest are wanted.
func (p *textLists) rankTexts(a, b []byte) int {
	if p.flip != 0 {
		return p.compareTexts(b, a)
	}
	return p.compareTexts(a, b)
}

// at returns the text of an entry.
func (l *textList) at(e listEntry) []byte {
	length, n := binary.Uvarint(l.text[e.key:])
	start := int(e.key) + n
	return l.text[start : start+int(length)]
}

// renew raises the time of the entry of text if it came lately.
func (l *textList) renew(time int64, text []byte) bool {
	for i := len(l.entries) - 1; i >= max(int(l.settled), len(l.entries)-fewPending); i-- {
		if e := &l.entries[i]; bytes.Equal(l.at(*e), text) {
			e.time = max(e.time, time)
			return true
		}
	}
	return false
}

// makeRoom makes room for an entry and bytes of text. Unless the list was empty,
// as much text again as it holds, or half of that, is free then, so that it does
// not settle for every value; of more than a result can show, less will do.
func (p *textLists) makeRoom(l *textList, bytes int) {
	p.settle(l)
	l.entries = p.runs.grown(l.entries, p.entryRoom(cap(l.entries), len(l.entries)))
	used := len(l.text) + bytes
	if used > bytes {
		used += min(used/2, MaxListBytes)
	}
	l.text = p.texts.grown(l.text, used)
}

func (p *textLists) settle(l *textList) {
	before := len(l.entries)
	if int(l.settled) == before {
		return
	}
	kept, equal := l.entries, func(a, b listEntry) bool { return bytes.Equal(l.at(a), l.at(b)) }
	if p.distinct && p.n > fewDistinct {
		slices.SortFunc(kept, func(a, b listEntry) int {
			return cmp.Or(bytes.Compare(l.at(a), l.at(b)), cmp.Compare(b.time, a.time))
		})
		kept = slices.CompactFunc(kept, equal)
	}
	slices.SortFunc(kept, func(a, b listEntry) int {
		if c := cmp.Compare(a.time, b.time); c != 0 {
			return c
		}
		return p.rankTexts(l.at(a), l.at(b))
	})
	if p.distinct && p.n <= fewDistinct {
		kept = lastOfEach(kept, p.n, equal)
	}
	keep, ended := p.keep(l, kept)
	l.entries = append(l.entries[:0], kept[len(kept)-keep:]...)
	l.listState = listState{int32(keep), ended}
	if keep < before {
		p.pack(l)
	}
}

// keep returns how many of sorted entries are kept, and whether the list ends
// with them.
func (p *textLists) keep(l *textList, sorted []listEntry) (n int, ended bool) {
	most, heaviest := min(p.n, len(sorted)), len(l.text)
	if p.valueType != feature.String {
		heaviest *= 8 // a null in an array is one byte
	}
	if heaviest <= MaxListBytes {
		return most, most == p.n
	}
	weight := 0
	for n < most && weight <= MaxListBytes {
		n++
		weight += p.weight(timedValue{text: l.at(sorted[len(sorted)-n])})
	}
	return n, n == p.n || weight > MaxListBytes
}

// pack drops the texts that no entry has.
func (p *textLists) pack(l *textList) {
	p.packed = p.packed[:0]
	for i, e := range l.entries {
		l.entries[i].key = int64(len(p.packed))
		text := l.at(e)
		p.packed = append(binary.AppendUvarint(p.packed, uint64(len(text))), text...)
	}
	l.text = append(l.text[:0], p.packed...)
}

func (p *textLists) read(dst []timedValue, group int) []timedValue {
	l := &p.of[group]
	p.settle(l)
	start := len(dst)
	for _, e := range l.entries {
		dst = append(dst, timedValue{time: e.time ^ p.flip, text: l.at(e)})
	}
	if p.flip != 0 {
		slices.Reverse(dst[start:])
	}
	return dst
}
