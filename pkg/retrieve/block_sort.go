package retrieve

import "slices"

const (
	digitBits = 11 // of the prefixes, in a pass over them
	digits    = 1 << digitBits
	// fewEntries are sorted by comparing: counting digits would take longer.
	fewEntries = 4 << 10
)

// sort sorts entries by key, time and row.
func (k *blockKeys) sort(entries []entry) {
	if len(entries) < fewEntries {
		slices.SortFunc(entries, k.compare)
		return
	}
	sortByPrefix(entries)
	for from := 0; from < len(entries); {
		to := from + 1
		for to < len(entries) && entries[to].prefix == entries[from].prefix {
			to++
		}
		if to-from > 1 {
			slices.SortFunc(entries[from:to], k.compare)
		}
		from = to
	}
}

// sortByPrefix is a radix sort, the least digits first. Those that all entries share
// are passed over.
func sortByPrefix(entries []entry) {
	differs := uint64(0)
	for i := range entries {
		differs |= entries[i].prefix ^ entries[0].prefix
	}
	from, to := entries, make([]entry, len(entries))
	for shift := 0; shift < 64; shift += digitBits {
		if differs>>shift%digits == 0 {
			continue
		}
		var next [digits]int
		for i := range from {
			next[from[i].prefix>>shift%digits]++
		}
		start := 0
		for digit, count := range next {
			next[digit] = start
			start += count
		}
		for i := range from {
			digit := from[i].prefix >> shift % digits
			to[next[digit]] = from[i]
			next[digit]++
		}
		from, to = to, from
	}
	if &from[0] != &entries[0] {
		copy(entries, from)
	}
}
