package onlinetest

import (
	"bytes"
	"context"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tilery/tilery/pkg/online"
)

func atLimits(t *testing.T, s online.Store) {
	// Zero bytes are those that an encoding may have to double.
	key := online.Key{
		Store:  strings.Repeat("\x00", online.MaxStoreBytes),
		Entity: make([]byte, online.MaxEntityBytes),
		Kind:   online.KindTile,
		Writer: make([]byte, online.MaxWriterBytes),
	}
	cell := online.Cell{
		Version:  1,
		Position: bytes.Repeat([]byte{7}, online.MaxPositionBytes),
		Value:    bytes.Repeat([]byte{7}, online.MaxValueBytes),
	}
	write(t, s, online.Write{Key: key, Cell: cell, Condition: online.IfVersion})
	got, ok := get(t, s, key)
	require.True(t, ok)
	require.Equal(t, cell, got)

	writes := make([]online.Write, online.MaxWrites)
	reads := make([]online.Read, online.MaxReads)
	for i := range writes {
		writes[i] = put(tile("e", int64(i)), 1)
	}
	for i := range reads {
		reads[i] = online.Read{Store: store, Entity: []byte("e")}
	}
	reads[0].Blocks = make([]online.Blocks, online.MaxBlockRanges)
	for i := range reads[0].Blocks {
		reads[0].Blocks[i] = online.Blocks{From: hour(int64(2 * i)), To: hour(int64(2*i + 1))}
	}
	write(t, s, writes...)
	require.Len(t, read(t, s, reads...)[0], online.MaxBlockRanges)
}

func pastLimits(t *testing.T, s online.Store) {
	ctx := t.Context()
	long := map[string]online.Key{
		"store":  {Store: strings.Repeat("s", online.MaxStoreBytes+1), Entity: []byte("e"), Kind: online.KindTile},
		"entity": {Store: store, Entity: make([]byte, online.MaxEntityBytes+1), Kind: online.KindTile},
		"writer": {Store: store, Entity: []byte("e"), Kind: online.KindTile, Writer: make([]byte, online.MaxWriterBytes+1)},
	}
	for name, key := range long {
		_, err := s.Write(ctx, []online.Write{put(key, 1)})
		require.ErrorIs(t, err, online.ErrTooLarge, name)
		_, _, err = s.Get(ctx, key)
		require.ErrorIs(t, err, online.ErrTooLarge, name)
	}
	value, position := put(tile("e", 0), 1), put(tile("e", 0), 1)
	value.Cell.Value = make([]byte, online.MaxValueBytes+1)
	position.Cell.Position = make([]byte, online.MaxPositionBytes+1)
	writes := make([]online.Write, online.MaxWrites+1)
	for i := range writes {
		writes[i] = put(tile("e", int64(i)), 1)
	}
	for name, writes := range map[string][]online.Write{"value": {put(tile("e", 1), 1), value}, "position": {position}, "writes": writes} {
		_, err := s.Write(ctx, writes)
		require.ErrorIs(t, err, online.ErrTooLarge, name)
	}
	for name, reads := range map[string][]online.Read{
		"store":  {{Store: long["store"].Store}},
		"entity": {{Store: store, Entity: long["entity"].Entity}},
		"ranges": {{Store: store, Blocks: make([]online.Blocks, online.MaxBlockRanges+1)}},
		"reads":  make([]online.Read, online.MaxReads+1),
	} {
		_, err := s.Read(ctx, reads)
		require.ErrorIs(t, err, online.ErrTooLarge, name)
	}
	require.ErrorIs(t, scanError(ctx, s, long["store"].Store), online.ErrTooLarge)
	require.ErrorIs(t, s.Drop(ctx, long["store"].Store), online.ErrTooLarge)
	require.Empty(t, scan(t, s, store), "a call that was refused wrote nothing")
}

func refusals(t *testing.T, s online.Store) {
	ctx := t.Context()
	for name, key := range map[string]online.Key{
		"no store":                {Entity: []byte("e"), Kind: online.KindTile},
		"no kind":                 {Store: store, Entity: []byte("e")},
		"unknown kind":            {Store: store, Entity: []byte("e"), Kind: 99},
		"status of an entity":     {Store: store, Entity: []byte("e"), Kind: online.KindStatus},
		"progress without writer": {Store: store, Kind: online.KindProgress},
		"fence with a block":      {Store: store, Entity: []byte("e"), Kind: online.KindFence, Block: 1},
		"fence with a writer":     {Store: store, Entity: []byte("e"), Kind: online.KindFence, Writer: []byte("w")},
		"row with a level":        {Store: store, Entity: []byte("e"), Kind: online.KindRow, Level: 1},
	} {
		_, err := s.Write(ctx, []online.Write{put(key, 1)})
		require.Error(t, err, name)
		_, _, err = s.Get(ctx, key)
		require.Error(t, err, name)
	}
	expected := put(tile("e", 0), 1)
	expected.Expected = 1
	removal := func(change func(*online.Write)) []online.Write {
		w := remove(tile("e", 0), 1)
		change(&w)
		return []online.Write{w}
	}
	for name, writes := range map[string][]online.Write{
		"a removal without a version":       removal(func(w *online.Write) { w.Cell.Version = 0 }),
		"a removal that compares and sets":  removal(func(w *online.Write) { w.Condition = online.IfVersion }),
		"a removal with a value":            removal(func(w *online.Write) { w.Cell.Value = []byte("v") }),
		"a removal with a tombstone":        removal(func(w *online.Write) { w.Cell.Tombstone = true }),
		"a removal with a position":         removal(func(w *online.Write) { w.Cell.Position = []byte("p") }),
		"a key twice":                       {put(tile("e", 0), 1), put(tile("f", 0), 1), put(tile("e", 0), 1)},
		"no version":                        {put(tile("e", 0), 0)},
		"no condition":                      {{Key: tile("e", 0), Cell: online.Cell{Version: 1}}},
		"expected version without its test": {expected},
	} {
		_, err := s.Write(ctx, writes)
		require.Error(t, err, name)
	}
	_, err := s.Read(ctx, []online.Read{{Entity: []byte("e")}})
	require.Error(t, err)
	require.Error(t, scanError(ctx, s, ""))
	require.Error(t, s.Drop(ctx, ""))
	require.Empty(t, scan(t, s, store))
}

func cancelled(t *testing.T, s online.Store) {
	write(t, s, put(tile("e", 0), 1), put(tile("e", 1), 1))
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	seen := 0
	for _, err := range s.Scan(ctx, store) {
		if seen++; seen == 1 {
			require.NoError(t, err)
			cancel()
			continue
		}
		require.ErrorIs(t, err, context.Canceled, "in the middle of a scan")
	}
	require.Equal(t, 2, seen)
	for name, err := range everyCall(ctx, s) {
		require.ErrorIs(t, err, context.Canceled, name)
	}
	require.Len(t, scan(t, s, store), 2)
}

func closed(t *testing.T, s online.Store) {
	write(t, s, put(tile("e", 0), 1))
	require.NoError(t, s.Close())
	for name, err := range everyCall(t.Context(), s) {
		require.Error(t, err, name)
	}
}

// everyCall makes each call that takes a context once and returns the errors.
func everyCall(ctx context.Context, s online.Store) map[string]error {
	errs := map[string]error{"drop": s.Drop(ctx, store)}
	_, _, errs["get"] = s.Get(ctx, tile("e", 0))
	_, errs["read"] = s.Read(ctx, []online.Read{{Store: store, Entity: []byte("e")}})
	_, errs["write"] = s.Write(ctx, []online.Write{put(tile("e", 2), 1)})
	errs["scan"] = scanError(ctx, s, store)
	return errs
}

// scanError returns what ended a scan: nil if that was its last cell.
func scanError(ctx context.Context, s online.Store, store string) (last error) {
	for _, last = range s.Scan(ctx, store) {
	}
	return last
}
