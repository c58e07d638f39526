package online_test

import (
	"encoding/hex"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/tilery/tilery/pkg/online"
	"github.com/tilery/tilery/pkg/window"
)

var goldenCells = map[string]online.Cell{
	"smallest":  {Version: 1},
	"tombstone": {Version: 1<<64 - 1, Tombstone: true},
	"full": {
		Version: 0x0102030405060708, Fence: 9, Position: []byte{0, 10}, MaxTime: -1, Value: []byte("value"),
	},
}

func TestCellsOfEarlierProgramsAreRead(t *testing.T) {
	stored := golden(t, "cells.golden")
	require.Len(t, stored, len(goldenCells))
	for name, cell := range goldenCells {
		require.Equal(t, hex.EncodeToString(stored[name]), hex.EncodeToString(online.AppendCell(nil, cell)), name)
		got, err := online.DecodeCell(stored[name])
		require.NoError(t, err)
		require.Equal(t, cell, got)
	}
}

func TestCellsRoundTrip(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		cell := online.Cell{
			Version:   rapid.Uint64Min(1).Draw(rt, "version"),
			Fence:     rapid.Uint64().Draw(rt, "fence"),
			Position:  drawBytes(rt, "position"),
			MaxTime:   window.Time(rapid.Int64().Draw(rt, "max time")),
			Tombstone: rapid.Bool().Draw(rt, "tombstone"),
			Value:     drawBytes(rt, "value"),
		}
		got, err := online.DecodeCell(online.AppendCell([]byte("before"), cell)[len("before"):])
		require.NoError(rt, err)
		require.Equal(rt, cell, got)
	})
}

func TestTruncatedAndDamagedCellsAreErrors(t *testing.T) {
	for name, cell := range goldenCells {
		encoded := online.AppendCell(nil, cell)
		for n := range encoded {
			_, err := online.DecodeCell(encoded[:n])
			require.ErrorIs(t, err, online.ErrDamaged, "%s of %d bytes", name, n)
			for flip := 1; flip < 256; flip++ {
				encoded[n] ^= byte(flip)
				_, err := online.DecodeCell(encoded)
				require.ErrorIs(t, err, online.ErrDamaged, "%s with byte %d damaged", name, n)
				encoded[n] ^= byte(flip)
			}
		}
		_, err := online.DecodeCell(append(encoded, 0))
		require.ErrorIs(t, err, online.ErrDamaged)
	}
}

// These are whole, as their checksum says, and yet not cells.
func TestCellsThatNoProgramWritesAreDamaged(t *testing.T) {
	_, err := online.DecodeCell(online.AppendCell(nil, online.Cell{}))
	require.ErrorIs(t, err, online.ErrDamaged, "no version")
	for name, cell := range map[string]online.Cell{
		"value":    {Version: 1, Value: make([]byte, online.MaxValueBytes+1)},
		"position": {Version: 1, Position: make([]byte, online.MaxPositionBytes+1)},
	} {
		_, err := online.DecodeCell(online.AppendCell(nil, cell))
		require.ErrorIs(t, err, online.ErrDamaged, name)
		require.NotErrorIs(t, err, online.ErrTooLarge, name)
	}
}

func FuzzDecodeCell(f *testing.F) {
	for _, encoded := range golden(f, "cells.golden") {
		f.Add(encoded)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		cell, err := online.DecodeCell(data)
		if err != nil {
			require.ErrorIs(t, err, online.ErrDamaged)
			return
		}
		require.Equal(t, data, online.AppendCell(nil, cell), "one encoding per cell")
	})
}
