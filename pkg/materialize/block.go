package materialize

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"

	"github.com/tilery/tilery/pkg/aggregate"
	"github.com/tilery/tilery/pkg/offline"
	"github.com/tilery/tilery/pkg/online"
	"github.com/tilery/tilery/pkg/record"
	"github.com/tilery/tilery/pkg/window"
)

// keysPerWrite is how many cells go to the online store at once.
const keysPerWrite = 1024

// applyBlock computes the block's cell of every key that a touched file names,
// from the snapshot's files, and writes it; a key without rows gets a tombstone.
// Files are sorted by key, so a merge of their rows needs memory for one record
// a file and keysPerWrite keys.
func (s *step) applyBlock(ctx context.Context, block window.Interval) (err error) {
	m := &merge{
		target: s.target, block: block, version: uint64(s.snapshot.Version),
		store: s.target.CellStore(s.status.Epoch), states: s.target.Layout.NewStates(),
	}
	defer func() { err = errors.Join(err, m.close()) }()
	touched := map[string]bool{}
	for _, f := range overlapping(s.touched, block) {
		touched[f.Path] = true
	}
	live := map[string]bool{}
	for _, f := range overlapping(s.snapshot.Files, block) {
		live[f.Path] = true
		if err := m.open(ctx, s.table, f, true, touched[f.Path]); err != nil {
			return err
		}
	}
	for _, f := range overlapping(s.touched, block) {
		if live[f.Path] || !touched[f.Path] {
			continue
		}
		touched[f.Path] = false // a file may be added and removed within the step
		if err := m.open(ctx, s.table, f, false, true); err != nil {
			return err
		}
	}
	for !m.done() {
		writes, err := m.next()
		if err != nil {
			return err
		}
		if _, err := s.engine.Online.Write(ctx, writes); err != nil {
			return err
		}
		s.cells += int64(len(writes))
		if s.onProgress != nil {
			s.onProgress(Progress{Rows: s.cells})
		}
	}
	return nil
}

// cursor walks the rows of one file.
type cursor struct {
	reader  offline.Reader
	live    bool // its rows are part of the snapshot
	touched bool // its keys are to be written

	encoder *record.KeyEncoder
	rec     arrow.Record // nil at the end
	times   []arrow.Timestamp
	row     int
	key     []byte  // of row
	groups  []int32 // of the rows of rec that were passed since the last fold
	folded  bool    // groups holds nothing
}

// merge walks the files of one block in key order.
type merge struct {
	target  *Target
	block   window.Interval
	version uint64
	store   string
	states  *aggregate.States
	cursors []*cursor
}

func (m *merge) open(ctx context.Context, table offline.Table, f offline.File, live, touched bool) error {
	reader, err := table.OpenFile(ctx, f)
	if err != nil {
		return err
	}
	c := &cursor{reader: reader, live: live, touched: touched}
	m.cursors = append(m.cursors, c)
	return m.read(c)
}

func (m *merge) close() error {
	var err error
	for _, c := range m.cursors {
		err = errors.Join(err, c.reader.Close())
	}
	return err
}

// read moves c to its next record.
func (m *merge) read(c *cursor) error {
	if err := m.fold(c); err != nil {
		return err
	}
	rec, err := c.reader.Next()
	if errors.Is(err, io.EOF) {
		c.rec = nil
		return nil
	}
	if err != nil {
		return err
	}
	fields := m.target.View.JoinKeys()
	if c.encoder, err = record.NewKeyEncoder(fields, rec.Columns()[:len(fields)]); err != nil {
		return err
	}
	times, ok := rec.Column(len(fields)).(*array.Timestamp)
	if !ok {
		return fmt.Errorf("%w: column %s is no timestamp", offline.ErrCorrupt, TileStart)
	}
	c.rec, c.times, c.row = rec, times.TimestampValues(), 0
	c.groups = c.groups[:0]
	for range c.times {
		c.groups = append(c.groups, -1)
	}
	c.folded = true
	c.key = c.encoder.Append(c.key[:0], 0)
	return nil
}

// fold adds the rows that were passed to the states, column by column.
func (m *merge) fold(c *cursor) error {
	if c.rec == nil || c.folded {
		return nil
	}
	if err := m.states.MergeColumns(c.groups, c.rec.Columns()[len(m.target.View.JoinKeys())+1:]); err != nil {
		return fmt.Errorf("%w: %w", offline.ErrCorrupt, err)
	}
	for i := range c.groups {
		c.groups[i] = -1
	}
	c.folded = true
	return nil
}

// least returns the smallest key under a cursor, nil at the end of all.
func (m *merge) least() []byte {
	var least []byte
	for _, c := range m.cursors {
		if c.rec != nil && (least == nil || bytes.Compare(c.key, least) < 0) {
			least = c.key
		}
	}
	return bytes.Clone(least)
}

// done reports whether every file was read to its end.
func (m *merge) done() bool {
	return !slices.ContainsFunc(m.cursors, func(c *cursor) bool { return c.rec != nil })
}

// next passes the next keysPerWrite keys and returns the writes of the touched ones.
func (m *merge) next() ([]online.Write, error) {
	m.states.Reset()
	tiles := m.target.tilesPerBlock()
	var keys [][]byte // nil where no touched file has the key
	for len(keys) < keysPerWrite && !m.done() {
		key := m.least()
		base := len(keys) * tiles
		m.states.Grow(base + tiles)
		touched, err := m.pass(key, int32(base))
		if err != nil {
			return nil, err
		}
		if !touched {
			key = nil
		}
		keys = append(keys, key)
	}
	for _, c := range m.cursors {
		if err := m.fold(c); err != nil {
			return nil, err
		}
	}
	var writes []online.Write
	for i, key := range keys {
		if key == nil {
			continue
		}
		write, err := m.write(key, i*tiles)
		if err != nil {
			return nil, err
		}
		writes = append(writes, write)
	}
	return writes, nil
}

// pass moves every cursor past key and notes the groups of its live rows in the
// block. It reports whether a touched file has a row of the key in the block.
func (m *merge) pass(key []byte, base int32) (bool, error) {
	interval := m.target.View.Interval().Microseconds()
	touched := false
	for _, c := range m.cursors {
		for c.rec != nil && bytes.Equal(c.key, key) {
			if at := window.Time(c.times[c.row]); m.block.Contains(at) {
				touched = touched || c.touched
				if c.live {
					c.groups[c.row] = base + int32(int64(at-m.block.Start)/interval)
					c.folded = false
				}
			}
			if c.row++; c.row == len(c.times) {
				if err := m.read(c); err != nil {
					return false, err
				}
				continue
			}
			c.key = c.encoder.Append(c.key[:0], c.row)
		}
	}
	return touched, nil
}

// write is the cell of one key; without rows in the block it is a tombstone.
func (m *merge) write(key []byte, base int) (online.Write, error) {
	w := online.Write{
		Key:       online.Key{Store: m.store, Entity: key, Kind: online.KindTile, Block: m.block.Start},
		Cell:      online.Cell{Version: m.version},
		Condition: online.IfNotNewer,
	}
	var tiles []online.Tile
	for i := range m.target.tilesPerBlock() {
		if m.states.Present(base + i) {
			tiles = append(tiles, online.Tile{Index: uint32(i), State: m.states.AppendEncoded(nil, base+i)})
		}
	}
	if w.Cell.Tombstone = len(tiles) == 0; w.Cell.Tombstone {
		return w, nil
	}
	var err error
	w.Cell.Value, err = online.AppendTiles(nil, tiles)
	return w, err
}
