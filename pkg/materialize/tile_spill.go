package materialize

import (
	"bytes"
	"encoding/binary"
	"fmt"

	"github.com/tilery/tilery/pkg/aggregate"
	"github.com/tilery/tilery/pkg/internal/spill"
	"github.com/tilery/tilery/pkg/window"
)

// A spilled tile has as its key the number of its window in the span, the bytes of
// its key, and its number in the span, and as its value its encoded state. So one
// pass over the runs meets the windows one after the other.
const (
	windowBytes = 4
	tileBytes   = 4
)

// spill writes the tiles as a sorted run, and drops them.
func (b *builder) spill() error {
	b.sort()
	err := b.runs.Add(func(add func(key, value []byte) error) error {
		var key, state []byte
		for i, w := range b.span.Split(b.target.View.Schedule()) {
			for _, group := range b.order.within(b.tilesOf(w)) {
				pair := b.groups.pairs[group]
				key = binary.BigEndian.AppendUint32(key[:0], uint32(i))
				key = append(key, b.keys.key(pair.key)...)
				key = binary.BigEndian.AppendUint32(key, uint32(pair.tile))
				state = b.states.AppendEncoded(state[:0], int(group))
				if err := b.fits(key, int64(len(state))); err != nil {
					return err
				}
				if err := add(key, state); err != nil {
					return err
				}
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("spill %d tiles of %v: %w", b.groups.len(), b.span, full(err))
	}
	b.keyValues = nil
	b.empty()
	return nil
}

// fits refuses a tile that takes more than all of them may.
func (b *builder) fits(key []byte, size int64) error {
	if size <= b.maxBytes {
		return nil
	}
	return fmt.Errorf("%w: a tile of key %x takes %d bytes, at most %d are allowed",
		ErrTooLarge, key[windowBytes:len(key)-tileBytes], size, b.maxBytes)
}

// tileMerge merges the tiles of all runs.
type tileMerge struct {
	from   *spill.Merge
	states *aggregate.States // of the tiles of a step
	groups []int32           // of a step, from 0 on
	key    []byte            // of the tile that is merged
}

// merge spills what is in memory, too: that way a tile is merged in one place, and
// the memory is free for it.
func (b *builder) merge() error {
	if b.groups.len() > 0 {
		if err := b.spill(); err != nil {
			return err
		}
	}
	from, err := b.runs.Merge()
	if err != nil {
		return full(err)
	}
	b.merged = &tileMerge{from: from, states: b.target.Layout.NewStates()}
	for group := range int32(stepRows(b.target.Layout)) {
		b.merged.groups = append(b.merged.groups, group)
	}
	return nil
}

// writeMerged adds the tiles of a window, the one after the last that was written.
func (b *builder) writeMerged(w window.Interval, out *tileRecord) error {
	if b.merged == nil {
		if err := b.merge(); err != nil {
			return err
		}
	}
	m, number := b.merged, uint32(w.Start.Sub(b.span.Start)/b.target.View.Schedule())
	for m.at(number) {
		m.states.Reset()
		m.states.Grow(out.step)
		n := 0
		for ; n < out.step && m.at(number); n++ {
			if err := b.mergeTile(n, out); err != nil {
				return fmt.Errorf("merge spilled tiles of %v: %w", w, err)
			}
		}
		if err := out.addStates(m.states, m.groups[:n]); err != nil {
			return err
		}
	}
	if !m.from.Done() && m.window() < number {
		return fmt.Errorf("spilled tiles of window %d are left when those of %d, %v, are written", m.window(), number, w)
	}
	return nil
}

// window is that of the next tile.
func (m *tileMerge) window() uint32 { return binary.BigEndian.Uint32(m.from.Key()) }

// at reports whether the next tile is of a window.
func (m *tileMerge) at(window uint32) bool {
	return !m.from.Done() && m.window() == window
}

// mergeTile merges the states of the next tile into a group.
func (b *builder) mergeTile(group int, out *tileRecord) error {
	m := b.merged
	m.key = append(m.key[:0], m.from.Key()...)
	before := m.states.Bytes()
	for !m.from.Done() && bytes.Equal(m.from.Key(), m.key) {
		rest, err := m.states.MergeEncoded(group, m.from.Value())
		if err != nil {
			return err
		}
		if len(rest) > 0 {
			return fmt.Errorf("%w: %d bytes after a state", aggregate.ErrDamaged, len(rest))
		}
		if err := m.from.Next(); err != nil {
			return err
		}
	}
	if err := b.fits(m.key, m.states.Bytes()-before); err != nil {
		return err
	}
	tile := len(m.key) - tileBytes
	out.addStart(int32(binary.BigEndian.Uint32(m.key[tile:])))
	return out.addKey(m.key[windowBytes:tile], b.target.Keys)
}
