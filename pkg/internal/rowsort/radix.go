package rowsort

import (
	"cmp"
	"slices"
)

// minCounted is how many entries are worth counting.
const minCounted = 512

// sortEntries returns entries sorted by prefix and time, those that are equal in both as
// they were, and memory of as many that is free. It may use both arguments.
func sortEntries(entries, spare []entry) (sorted, free []entry) {
	if len(entries) < minCounted {
		slices.SortStableFunc(entries, compare)
		return entries, spare
	}
	if slices.IsSortedFunc(entries, compare) {
		return entries, spare
	}
	prefixes, times, byTime := differing(entries)
	spare = slices.Grow(spare[:0], len(entries))[:len(entries)]
	if !byTime {
		entries, spare = sortByBytes(entries, spare, times, func(e *entry) uint64 { return uint64(e.time) ^ signBit })
	}
	return sortByBytes(entries, spare, prefixes, func(e *entry) uint64 { return e.prefix })
}

func compare(a, b entry) int {
	if a.prefix != b.prefix {
		return cmp.Compare(a.prefix, b.prefix)
	}
	return cmp.Compare(a.time, b.time)
}

// differing returns the bits in which prefixes and times differ, and whether the times
// ascend.
func differing(entries []entry) (prefixes, times uint64, byTime bool) {
	byTime = true
	for i := 1; i < len(entries); i++ {
		prefixes |= entries[i].prefix ^ entries[0].prefix
		times |= uint64(entries[i].time ^ entries[0].time)
		byTime = byTime && entries[i-1].time <= entries[i].time
	}
	return prefixes, times, byTime
}

// sortByBytes sorts entries by a number, of which some bits differ, from its last byte to
// its first. Each byte moves all of them to the other slice.
func sortByBytes(entries, spare []entry, differing uint64, number func(*entry) uint64) (sorted, free []entry) {
	for shift := 0; shift < 64; shift += 8 {
		if differing>>shift&0xff == 0 {
			continue
		}
		var next [256]int
		for i := range entries {
			next[byte(number(&entries[i])>>shift)]++
		}
		at := 0
		for b, count := range next {
			next[b] = at
			at += count
		}
		for i := range entries {
			b := byte(number(&entries[i]) >> shift)
			spare[next[b]] = entries[i]
			next[b]++
		}
		entries, spare = spare, entries
	}
	return entries, spare
}
