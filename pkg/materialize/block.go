package materialize

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/tilery/tilery/pkg/offline"
	"github.com/tilery/tilery/pkg/online"
	"github.com/tilery/tilery/pkg/window"
)

// applyBlocks brings the cells of all blocks up to date that a changed window
// lies in.
func (s *step) applyBlocks(ctx context.Context) error {
	length := s.target.Block()
	blocks := map[window.Time]bool{}
	for _, w := range s.windows {
		for _, block := range w.Widen(length).Split(length) {
			blocks[block.Start] = true
		}
	}
	starts := make([]window.Time, 0, len(blocks))
	for start := range blocks {
		starts = append(starts, start)
	}
	slices.Sort(starts)
	for _, start := range starts {
		if err := s.applyBlock(ctx, window.Interval{Start: start, End: start.Add(length)}); err != nil {
			return fmt.Errorf("block %v: %w", start, err)
		}
	}
	return nil
}

// applyBlock computes the block's cell of every key that changed, from the
// snapshot's files, and writes it. A key changed when a touched file has a row of
// it in a tile that the online store covers; one without such a row in the
// snapshot gets a tombstone.
func (s *step) applyBlock(ctx context.Context, block window.Interval) (err error) {
	m := newMerge(s.target, block, s.coveredTiles(block))
	defer func() { err = errors.Join(err, m.close()) }()
	if err := s.openFiles(ctx, m, block); err != nil {
		return err
	}
	for !m.done() {
		cells, err := m.next()
		if err != nil {
			return err
		}
		if len(cells) == 0 {
			continue
		}
		if _, err := s.engine.Online.Write(ctx, s.writes(block, cells)); err != nil {
			return err
		}
		s.wrote(len(cells))
	}
	return nil
}

// coveredTiles tells the tiles of a block that the online store holds after the
// step. The others stay out of its cells: nobody would keep them up to date.
func (s *step) coveredTiles(block window.Interval) []bool {
	covered := s.covered.Intersect(window.NewSet(block))
	tiles := block.Split(s.target.View.Interval())
	out := make([]bool, len(tiles))
	for i, tile := range tiles {
		out[i] = covered.Covers(tile)
	}
	return out
}

// openFiles opens the snapshot's files, and those that were removed on the way to it.
func (s *step) openFiles(ctx context.Context, m *merge, block window.Interval) error {
	touched := map[string]offline.File{}
	for _, f := range overlapping(s.touched, block) {
		touched[f.Path] = f
	}
	for _, f := range overlapping(s.snapshot.Files, block) {
		_, changed := touched[f.Path]
		delete(touched, f.Path)
		if err := m.open(ctx, s.table, f, true, changed); err != nil {
			return err
		}
	}
	for _, f := range touched {
		if err := m.open(ctx, s.table, f, false, true); err != nil {
			return err
		}
	}
	return nil
}

func overlapping(files []offline.File, block window.Interval) []offline.File {
	var out []offline.File
	for _, f := range files {
		if f.MinTime < block.End && f.MaxTime >= block.Start {
			out = append(out, f)
		}
	}
	return out
}

func (s *step) writes(block window.Interval, cells []cell) []online.Write {
	store := s.target.CellStore(s.status.Epoch)
	writes := make([]online.Write, len(cells))
	for i, c := range cells {
		writes[i] = online.Write{
			Key:       online.Key{Store: store, Entity: c.key, Kind: online.KindTile, Block: block.Start},
			Cell:      online.Cell{Version: uint64(s.snapshot.Version), Tombstone: c.value == nil, Value: c.value},
			Condition: online.IfNotNewer,
		}
	}
	return writes
}
