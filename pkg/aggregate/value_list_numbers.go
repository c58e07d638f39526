package aggregate

import (
	"cmp"
	"slices"

	"github.com/apache/arrow/go/v15/arrow"
)

// numberLists holds lists of Bools or numbers. Values are appended as they come;
// when a list is full, or read, it is settled: sorted, and cut to what is kept. A
// list has room for twice of that, so that settling costs each value little.
//
// Times and keys are flipped for first: the greatest are wanted always.
type numberLists struct {
	listSpec
	of   []numberList
	runs runs[listEntry]
	keys []int64 // scratch
}

type numberList struct {
	entries []listEntry
	listState
}

// listEntry is one value: a key, or where its text is (value_list_texts.go).
type listEntry struct{ time, key int64 }

// listState is what is known of a list's entries.
type listState struct {
	settled int32 // so many are sorted and kept, the others are as they came
	ended   bool  // what is not above the first entry will not be kept
}

// fewPending is among how many entries a value is looked for before it is appended again.
const fewPending = 8

func (a listEntry) below(b listEntry) bool {
	return a.time < b.time || a.time == b.time && a.key < b.key
}

func compareEntries(a, b listEntry) int {
	return cmp.Or(cmp.Compare(a.time, b.time), cmp.Compare(a.key, b.key))
}

// entryRoom is how many entries a list has room for that had room for before and
// holds used of them.
func (s *listSpec) entryRoom(before, used int) int {
	if before == 0 {
		return 2
	}
	if 2*used > before {
		return min(2*before, powerOfTwo(max(2*s.n, 4)))
	}
	return before
}

// fewDistinct is up to how many values of a list are compared with each other to
// find those that it has twice; more are sorted for that.
const fewDistinct = 16

// lastOfEach returns the last entry of each value, the n last of them, in place.
func lastOfEach(entries []listEntry, n int, equal func(a, b listEntry) bool) []listEntry {
	at := len(entries)
	for i := len(entries) - 1; i >= 0 && len(entries)-at < n; i-- {
		e := entries[i]
		if !slices.ContainsFunc(entries[at:], func(kept listEntry) bool { return equal(kept, e) }) {
			at--
			entries[at] = e
		}
	}
	return entries[at:]
}

func (p *numberLists) grow(n int)   { p.of = extend(p.of, n) }
func (p *numberLists) bytes() int64 { return bytesOf(p.of) + p.runs.bytes() }

func (p *numberLists) reset() {
	p.of = p.of[:0]
	p.runs.reset()
}

func (p *numberLists) add(groups []int32, times []arrow.Timestamp, values arrow.Array) {
	p.keys = appendKeys(p.keys[:0], values, 0, len(groups))
	for i, g := range groups {
		if g >= 0 {
			p.offer(int(g), timedValue{time: int64(times[i]), key: p.keys[i]})
		}
	}
}

func (p *numberLists) offer(group int, v timedValue) {
	e, l := listEntry{v.time ^ p.flip, v.key ^ p.flip}, &p.of[group]
	if l.ended && !l.entries[0].below(e) {
		return
	}
	if p.distinct && l.renew(e) {
		return
	}
	if len(l.entries) == cap(l.entries) {
		p.settle(l)
		l.entries = p.runs.grown(l.entries, p.entryRoom(cap(l.entries), len(l.entries)))
	}
	l.entries = append(l.entries, e)
}

// renew raises the time of the entry of e's value if it came lately.
func (l *numberList) renew(e listEntry) bool {
	for i := len(l.entries) - 1; i >= max(int(l.settled), len(l.entries)-fewPending); i-- {
		if l.entries[i].key == e.key {
			l.entries[i].time = max(l.entries[i].time, e.time)
			return true
		}
	}
	return false
}

func (p *numberLists) settle(l *numberList) {
	if int(l.settled) == len(l.entries) {
		return
	}
	kept, equal := l.entries, func(a, b listEntry) bool { return a.key == b.key }
	if p.distinct && p.n > fewDistinct {
		slices.SortFunc(kept, func(a, b listEntry) int {
			return cmp.Or(cmp.Compare(a.key, b.key), cmp.Compare(b.time, a.time))
		})
		kept = slices.CompactFunc(kept, equal)
	}
	slices.SortFunc(kept, compareEntries)
	if p.distinct && p.n <= fewDistinct {
		kept = lastOfEach(kept, p.n, equal)
	}
	l.entries = append(l.entries[:0], kept[max(len(kept)-p.n, 0):]...)
	l.listState = listState{int32(len(l.entries)), len(l.entries) == p.n}
}

func (p *numberLists) read(dst []timedValue, group int) []timedValue {
	l := &p.of[group]
	p.settle(l)
	start := len(dst)
	for _, e := range l.entries {
		dst = append(dst, timedValue{time: e.time ^ p.flip, key: e.key ^ p.flip})
	}
	if p.flip != 0 {
		slices.Reverse(dst[start:])
	}
	return dst
}
