package materialize

import (
	"slices"
	"sort"
)

// groupOrder puts groups in the order of their keys and tiles by counting, which
// takes time in proportion to their number. It is remade with begin for each set
// of groups, and keeps its memory.
type groupOrder struct {
	pairs  []keyTile // by group
	ranks  []int32   // by key: its place among the sorted ones
	byTile []int32   // all groups
	chosen []int32   // scratch: the groups that within returns
	next   []int32   // scratch: by rank, where its next group goes
}

// begin takes the groups' pairs, whose tiles are below a number, and the keys'
// numbers in their order.
func (o *groupOrder) begin(pairs []keyTile, tiles int, keys []int32) {
	o.pairs = pairs
	o.ranks = slices.Grow(o.ranks[:0], len(keys))[:len(keys)]
	for rank, key := range keys {
		o.ranks[key] = int32(rank)
	}
	o.byTile = slices.Grow(o.byTile[:0], len(pairs))[:len(pairs)]
	o.chosen = slices.Grow(o.chosen[:0], len(pairs))[:len(pairs)]
	for group := range o.byTile {
		o.byTile[group] = int32(group)
	}
	for shift := 0; (tiles-1)>>shift > 0; shift += digitBits {
		o.sortByDigit(shift)
	}
}

// digitBits is how many bits of a tile are counted at once: the counts fit into
// the first cache, and hourly tiles of a month into one digit.
const digitBits = 11

// sortByDigit orders byTile by some bits of the tiles, and leaves groups that are alike
// in these as they are.
func (o *groupOrder) sortByDigit(shift int) {
	var next [1 << digitBits]int32
	for _, p := range o.pairs {
		next[digit(p.tile, shift)]++
	}
	startsOf(next[:])
	for _, group := range o.byTile {
		d := digit(o.pairs[group].tile, shift)
		o.chosen[next[d]] = group
		next[d]++
	}
	o.byTile, o.chosen = o.chosen, o.byTile
}

func digit(tile int32, shift int) int { return int(tile>>shift) & (1<<digitBits - 1) }

// within returns the groups whose tiles are in [from, to), by key and then by tile,
// until the next call.
func (o *groupOrder) within(from, to int32) []int32 {
	before := func(tile int32) int {
		return sort.Search(len(o.byTile), func(i int) bool { return o.pairs[o.byTile[i]].tile >= tile })
	}
	groups := o.byTile[before(from):before(to)]
	o.next = extend(o.next[:0], len(o.ranks))
	for _, group := range groups {
		o.next[o.rank(group)]++
	}
	startsOf(o.next)
	out := o.chosen[:len(groups)]
	for _, group := range groups {
		at := &o.next[o.rank(group)]
		out[*at] = group
		*at++
	}
	return out
}

// rank is the place of a group's key among the sorted ones.
func (o *groupOrder) rank(group int32) int32 { return o.ranks[o.pairs[group].key] }

// startsOf makes of counts where each begins that is counted.
func startsOf(counts []int32) {
	sum := int32(0)
	for i, n := range counts {
		counts[i] = sum
		sum += n
	}
}
