package window

import "time"

// MinTilesPerBlock is how many tiles a block is meant to hold at least, so that
// a window is read in few items.
const MinTilesPerBlock = 24

// MaxBlocksPerWindow bounds the items that one window costs at read time. A
// window that needs more is refused when it is defined.
const MaxBlocksPerWindow = 64

var blockLengths = []time.Duration{time.Hour, 24 * time.Hour, 30 * 24 * time.Hour}

// BlockLength returns how long a stretch of tiles is kept together: the
// shortest of an hour, a day and 30 days that is a multiple of tile and holds
// MinTilesPerBlock; 24 tiles where none does.
func BlockLength(tile time.Duration) time.Duration {
	for _, length := range blockLengths {
		if length%tile == 0 && length/tile >= MinTilesPerBlock {
			return length
		}
	}
	return MinTilesPerBlock * tile
}
