package materialize

import (
	"iter"
	"slices"
)

// blockTiles is how many tiles that follow each other share a block.
const (
	blockShift = 4
	blockTiles = 1 << blockShift
)

// groupTable numbers the pairs of a key and a tile in the order of their coming.
// A key has a slot for every tile of a block in which it has a row: rows of a key
// come in few windows, and in a window in many tiles.
type groupTable struct {
	tiles     int // of a block: blockTiles, or all when there are fewer
	perKey    int // blocks that cover all tiles
	blocks    []int32
	slots     []int32   // block*tiles + tile of the block -> group + 1, or 0
	pairs     []keyTile // by group
	allBlocks int32
}

// keyTile is what a group is of.
type keyTile struct{ key, tile int32 }

// reset empties the table, which keeps its memory, and makes it one of so many tiles.
func (g *groupTable) reset(tiles int) {
	g.tiles = min(tiles, blockTiles)
	g.perKey = (tiles + blockTiles - 1) / blockTiles
	g.blocks, g.slots, g.pairs, g.allBlocks = g.blocks[:0], g.slots[:0], g.pairs[:0], 0
}

// len is the number of groups.
func (g *groupTable) len() int { return len(g.pairs) }

// bytes counts what a groupOrder takes, too.
func (g *groupTable) bytes() int64 {
	return int64(len(g.blocks)+len(g.slots))*4 + int64(len(g.pairs))*(8+2*4)
}

// findAll appends the groups of pairs of keys and tiles, and numbers those that are
// new. Keys are numbered by the caller, from 0 without gaps.
//
// Whether a pair is new is a matter of chance, and known only when its slot has come
// from memory. So what depends on it is chosen, and written either way, rather than
// branched upon: a branch that is guessed wrong would make the next pairs wait, too.
func (g *groupTable) findAll(groups, keys, tiles []int32) []int32 {
	n := len(g.pairs)
	g.pairs = slices.Grow(g.pairs, len(keys)+1)[:n+len(keys)+1]
	count := int32(n)
	for i, key := range keys {
		tile := tiles[i]
		slot := g.slot(key, tile)
		group, next := *slot, count+1
		if group == 0 {
			group = next
		}
		*slot = group
		g.pairs[count] = keyTile{key, tile}
		if group == next {
			count = next
		}
		groups = append(groups, group-1)
	}
	g.pairs = g.pairs[:count]
	return groups
}

// find returns the group of a pair, and numbers it when it is new.
func (g *groupTable) find(key, tile int32) int32 {
	slot := g.slot(key, tile)
	if *slot == 0 {
		g.pairs = append(g.pairs, keyTile{key, tile})
		*slot = int32(len(g.pairs))
	}
	return *slot - 1
}

// of yields the tiles that a key has, ascending, with their groups.
func (g *groupTable) of(key int32) iter.Seq2[int32, int32] {
	return func(yield func(tile, group int32) bool) {
		for i := range g.perKey {
			at := int(key)*g.perKey + i
			if at >= len(g.blocks) || g.blocks[at] == 0 {
				continue
			}
			first := int(g.blocks[at]-1) * g.tiles
			for j, slot := range g.slots[first : first+g.tiles] {
				if slot != 0 && !yield(int32(i<<blockShift+j), slot-1) {
					return
				}
			}
		}
	}
}

// slot returns where the group of a pair stands, plus 1.
func (g *groupTable) slot(key, tile int32) *int32 {
	at := int(key)*g.perKey + int(tile>>blockShift)
	if at >= len(g.blocks) || g.blocks[at] == 0 {
		g.addBlock(key, at)
	}
	return &g.slots[int(g.blocks[at]-1)*g.tiles+int(tile&(blockTiles-1))]
}

// addBlock makes the block that stands at an index of blocks.
func (g *groupTable) addBlock(key int32, at int) {
	if at >= len(g.blocks) {
		g.blocks = extend(g.blocks, (int(key)+1)*g.perKey)
	}
	g.allBlocks++
	g.blocks[at] = g.allBlocks
	g.slots = extend(g.slots, int(g.allBlocks)*g.tiles)
}

// extend returns s with n elements, of which the new ones are 0.
func extend(s []int32, n int) []int32 {
	old := len(s)
	if n > cap(s) {
		s = slices.Grow(s, max(n-old, old/2)) // by half at least, since all are copied each time
	}
	s = s[:n]
	clear(s[old:])
	return s
}
