package materialize

// denseTiles is up to how many tiles of a window each key gets a slot for every
// one of them. Beyond that most keys have rows in few of many.
const denseTiles = 64

// groupTable numbers the pairs of a key and a tile in the order of their coming.
type groupTable struct {
	tiles  int
	pairs  []pair          // by group
	dense  []int32         // key*tiles + tile -> group + 1, or 0
	sparse map[int64]int32 // the same, where there are more than denseTiles
}

type pair struct{ key, tile int32 }

func newGroupTable(tiles int) *groupTable {
	g := &groupTable{tiles: tiles}
	if tiles > denseTiles {
		g.sparse = map[int64]int32{}
	}
	return g
}

// find returns the group of a pair, and numbers it when it is new. Keys are
// numbered by the caller, from 0 without gaps.
func (g *groupTable) find(key, tile int32) int32 {
	at := int64(key)*int64(g.tiles) + int64(tile)
	if g.sparse != nil {
		group, ok := g.sparse[at]
		if !ok {
			group = g.add(key, tile)
			g.sparse[at] = group
		}
		return group
	}
	for int64(len(g.dense)) <= at {
		g.dense = append(g.dense, make([]int32, g.tiles)...)
	}
	if g.dense[at] == 0 {
		g.dense[at] = g.add(key, tile) + 1
	}
	return g.dense[at] - 1
}

func (g *groupTable) add(key, tile int32) int32 {
	g.pairs = append(g.pairs, pair{key, tile})
	return int32(len(g.pairs) - 1)
}
