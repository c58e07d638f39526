package materialize

import (
	"bytes"
	"fmt"
	"slices"

	"github.com/apache/arrow/go/v15/arrow"

	"github.com/tilery/tilery/pkg/aggregate"
	"github.com/tilery/tilery/pkg/online"
)

// Bounds of what is in memory until its cells are written. A write ends with the
// entity that reaches one of the first two. An entity past one of the last two
// would not fit into its cell: there a tile takes three bytes at least, and in
// memory no state is a hundred times as large.
const (
	tilesPerWrite = 128 << 10
	bytesPerWrite = 64 << 20 // of states

	tilesPerCell = online.MaxValueBytes / 3
	bytesPerCell = online.MaxValueBytes * 100 // of states
)

// cellsPerFold is for how many cells' tiles rows are noted before they are folded,
// which tells what the states take.
const cellsPerFold = 256

// tileGroups holds the states of the tiles of the cells of one write. A group is a
// tile of a number, and a number is an entity, or with a secondary key one of its
// values at an entity.
type tileGroups struct {
	tiles  int       // of a block
	keys   *keyTable // entity and secondary key, by number; nil without one
	groups groupTable
	states *aggregate.States

	ends       []int32 // by cell: where its numbers end
	firstGroup int     // of the cell that is being made
	firstBytes int64   // of states when all before it, at least, was folded; -1: not known
	noted      int     // groups when all was folded last
	bytes      int64   // of states then

	// Scratch.
	key     []byte
	order   []int32
	list    []online.Tile
	byKey   []online.KeyedTiles
	encoded []byte
}

func newTileGroups(t *Target, tiles int) *tileGroups {
	g := &tileGroups{tiles: tiles, states: t.Layout.NewStates()}
	if len(t.SecondaryKey()) > 0 {
		g.keys = newKeyTable()
	}
	return g
}

// reset drops all groups and keeps their memory.
func (g *tileGroups) reset() {
	if g.keys != nil {
		g.keys.reset()
	}
	g.groups.reset(g.tiles)
	g.states.Reset()
	g.ends = g.ends[:0]
	g.firstGroup, g.firstBytes, g.noted, g.bytes = 0, 0, 0, 0
}

// full reports whether the cells are to be written before there are more.
func (g *tileGroups) full() bool { return g.groups.len() >= tilesPerWrite || g.bytes >= bytesPerWrite }

// group returns the group of a tile of the cell that is being made.
func (g *tileGroups) group(entity, second []byte, tile int32) (int32, error) {
	number := int32(len(g.ends))
	if g.keys != nil {
		g.key = append(append(g.key[:0], entity...), second...)
		number = g.keys.find(g.key, g.keys.hash(g.key))
	}
	group := g.groups.find(number, tile)
	if n := g.groups.len() - g.firstGroup; n > tilesPerCell {
		return 0, g.tooLarge("%d tiles", n)
	}
	return group, nil
}

// endCell ends the cell whose groups were asked for, which may be none.
func (g *tileGroups) endCell() {
	end := int32(len(g.ends) + 1)
	if g.keys != nil {
		end = int32(g.keys.len())
	}
	g.ends = append(g.ends, end)
	g.firstGroup, g.firstBytes = g.groups.len(), -1
}

// merge adds rows of an offline table.
func (g *tileGroups) merge(groups []int32, columns []arrow.Array) error {
	g.states.Grow(g.groups.len())
	return g.states.MergeColumns(groups, columns)
}

// mustFold reports whether noted rows are to be merged before there are more.
func (g *tileGroups) mustFold() bool {
	return g.groups.len()-g.noted >= min(cellsPerFold*g.tiles, tilesPerWrite)
}

// folded follows the merging of all rows that were noted.
func (g *tileGroups) folded() error {
	g.noted, g.bytes = g.groups.len(), g.states.Bytes()
	if g.firstBytes < 0 {
		g.firstBytes = g.bytes
	}
	if n := g.bytes - g.firstBytes; n > bytesPerCell {
		return g.tooLarge("%d bytes of memory", n)
	}
	return nil
}

func (g *tileGroups) tooLarge(format string, args ...any) error {
	advice := "keep fewer values in lists (n), take a lower precision, or a longer aggregation_interval"
	if g.keys != nil {
		advice = "let the SQL drop or merge values of aggregation_secondary_key, " + advice
	}
	return fmt.Errorf("%w: its tiles take more than %s, and the online store holds %d bytes of them: %s",
		online.ErrTooLarge, fmt.Sprintf(format, args...), online.MaxValueBytes, advice)
}

// value encodes a cell of an entity; nil: it has no tiles.
func (g *tileGroups) value(cell int, entity []byte) (value []byte, err error) {
	from, to := int32(0), g.ends[cell]
	if cell > 0 {
		from = g.ends[cell-1]
	}
	g.encoded = g.encoded[:0]
	if g.keys == nil {
		value, err = g.tilesOf(from)
	} else {
		value, err = g.tilesByKey(from, to, len(entity))
	}
	if err == nil && len(value) > online.MaxValueBytes {
		return nil, g.tooLarge("%d bytes", len(value)-1)
	}
	return value, err
}

// tilesOf encodes the tiles of a number; nil: it has none.
func (g *tileGroups) tilesOf(number int32) ([]byte, error) {
	g.list = g.list[:0]
	size := 0
	for tile, group := range g.groups.of(number) {
		from := len(g.encoded)
		g.encoded = g.states.AppendEncoded(g.encoded, int(group))
		// A state stays where it is when its successors move to a larger array.
		g.list = append(g.list, online.Tile{Index: uint32(tile), State: g.encoded[from:]})
		size += len(g.encoded) - from
	}
	if len(g.list) == 0 {
		return nil, nil
	}
	return online.AppendTiles(make([]byte, 0, 1+size+4*len(g.list)), g.list)
}

// tilesByKey encodes the tiles of an entity's numbers; nil: there are none.
func (g *tileGroups) tilesByKey(from, to int32, entityLen int) ([]byte, error) {
	if from == to {
		return nil, nil
	}
	g.order = g.order[:0]
	for number := from; number < to; number++ {
		g.order = append(g.order, number)
	}
	slices.SortFunc(g.order, func(a, b int32) int { return bytes.Compare(g.keys.key(a), g.keys.key(b)) })
	g.byKey = g.byKey[:0]
	size := 0
	for _, number := range g.order {
		tiles, err := g.tilesOf(number)
		if err != nil {
			return nil, err
		}
		k := online.KeyedTiles{Key: g.keys.key(number)[entityLen:], Tiles: tiles}
		g.byKey = append(g.byKey, k)
		size += len(k.Key) + len(k.Tiles) + 5
	}
	return online.AppendKeyedTiles(make([]byte, 0, 1+size), g.byKey)
}
