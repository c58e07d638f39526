package materialize

import "slices"

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
	slots     []int32 // block*tiles + tile of the block -> group + 1, or 0
	numbered  int     // groups
	allBlocks int32
}

// keyTile is a group and the tile that it is of.
type keyTile struct{ tile, group int32 }

// reset empties the table, which keeps its memory, and makes it one of so many tiles.
func (g *groupTable) reset(tiles int) {
	g.tiles = min(tiles, blockTiles)
	g.perKey = (tiles + blockTiles - 1) / blockTiles
	g.blocks, g.slots, g.numbered, g.allBlocks = g.blocks[:0], g.slots[:0], 0, 0
}

func (g *groupTable) bytes() int64 { return int64(len(g.blocks)+len(g.slots)) * 4 }

// find returns the group of a pair, and numbers it when it is new. Keys are
// numbered by the caller, from 0 without gaps.
func (g *groupTable) find(key, tile int32) int32 {
	at := int(key)*g.perKey + int(tile>>blockShift)
	if at >= len(g.blocks) {
		g.blocks = extend(g.blocks, (int(key)+1)*g.perKey)
	}
	block := g.blocks[at]
	if block == 0 {
		g.allBlocks++
		block = g.allBlocks
		g.blocks[at] = block
		g.slots = extend(g.slots, int(block)*g.tiles)
	}
	slot := &g.slots[int(block-1)*g.tiles+int(tile&(blockTiles-1))]
	if *slot == 0 {
		g.numbered++
		*slot = int32(g.numbered)
	}
	return *slot - 1
}

// appendTiles appends the groups of a key whose tiles are in [from, to), in order.
func (g *groupTable) appendTiles(dst []keyTile, key, from, to int32) []keyTile {
	for tile := from; tile < to; {
		end := min(to, (tile>>blockShift+1)<<blockShift)
		if block := g.blocks[int(key)*g.perKey+int(tile>>blockShift)]; block > 0 {
			base := int(block-1)*g.tiles - int(tile>>blockShift<<blockShift)
			for ; tile < end; tile++ {
				if group := g.slots[base+int(tile)]; group > 0 {
					dst = append(dst, keyTile{tile, group - 1})
				}
			}
		}
		tile = end
	}
	return dst
}

// extend returns s with n elements, of which the new ones are 0.
func extend(s []int32, n int) []int32 {
	old := len(s)
	s = slices.Grow(s, max(n-old, old/2))[:n] // by half at least, since all are copied each time
	clear(s[old:])
	return s
}
