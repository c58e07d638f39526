package spill

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

type entry struct{ key, value string }

func compare(a, b entry) int { return cmp.Or(cmp.Compare(a.key, b.key), cmp.Compare(a.value, b.value)) }

func never() error { return nil }

func newRuns(t testing.TB, maxBytes int64) *Runs {
	r := New(Options{Dir: t.TempDir(), MaxBytes: maxBytes, Stop: never})
	t.Cleanup(r.Close)
	return r
}

func add(r *Runs, entries ...entry) error {
	return r.Add(func(add func(key, value []byte) error) error {
		for _, e := range entries {
			if err := add([]byte(e.key), []byte(e.value)); err != nil {
				return err
			}
		}
		return nil
	})
}

// all returns what is merged; entries of equal keys come in any order.
func all(t require.TestingT, r *Runs) (out []entry) {
	m, err := r.Merge()
	require.NoError(t, err)
	for !m.Done() {
		out = append(out, entry{string(m.Key()), string(m.Value())})
		require.NoError(t, m.Next())
	}
	require.True(t, slices.IsSortedFunc(out, func(a, b entry) int { return cmp.Compare(a.key, b.key) }))
	slices.SortFunc(out, compare)
	return out
}

func TestEveryEntryComesOutInOrder(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	rapid.Check(t, func(rt *rapid.T) {
		r := New(Options{Dir: dir, MaxBytes: 1 << 30, Stop: never})
		var want []entry
		for range rapid.OneOf(rapid.IntRange(0, 5), rapid.IntRange(fanIn-1, 3*fanIn)).Draw(rt, "runs") {
			var run []entry
			for range rapid.IntRange(0, 5).Draw(rt, "entries") {
				key := rapid.StringN(0, 3, -1).Draw(rt, "key")
				value := strings.Repeat("v", rapid.SampledFrom([]int{0, 1, 10, blockBytes + 1}).Draw(rt, "value"))
				run = append(run, entry{key, value})
			}
			slices.SortFunc(run, compare)
			want = append(want, run...)
			require.NoError(rt, add(r, run...))
			require.Less(rt, r.Len(), 2*fanIn)
		}
		slices.SortFunc(want, compare)
		require.Equal(rt, want, all(rt, r))
		require.Zero(rt, r.held, "what was read takes no room")
		r.Close()
	})
}

func TestRunsBecomeOneByLevels(t *testing.T) {
	t.Parallel()
	r := newRuns(t, 1<<30)
	var want []entry
	for i := range fanIn*fanIn + fanIn + 3 {
		e := entry{key: fmt.Sprintf("%05d", i*7919%10007)}
		want = append(want, e)
		require.NoError(t, add(r, e))
	}
	var levels []int
	for _, n := range r.runs {
		levels = append(levels, n.level)
	}
	require.Equal(t, []int{2, 1, 0, 0, 0}, levels)
	slices.SortFunc(want, compare)
	require.Equal(t, want, all(t, r))
}

func TestFilesHaveNoNameAndTakeNoRoomOnceClosed(t *testing.T) {
	t.Parallel()
	r := newRuns(t, 1<<20)
	require.NoError(t, add(r, entry{"k", "v"}))
	files, err := os.ReadDir(r.options.Dir)
	require.NoError(t, err)
	require.Empty(t, files, "a killed process leaves nothing behind")
	require.Positive(t, r.held)
	written := r.Written()
	require.Equal(t, r.held, written)
	r.Close()
	require.Zero(t, r.held)
	require.NoError(t, add(r, entry{"k", "v"}))
	require.Equal(t, 2*written, r.Written())
	require.Equal(t, []entry{{"k", "v"}}, all(t, r))
}

func TestMoreThanTheRoomIsFull(t *testing.T) {
	t.Parallel()
	r := newRuns(t, 1<<20)
	noise := make([]byte, 2<<20)
	state := uint32(1)
	for i := range noise {
		state = state*1664525 + 1013904223
		noise[i] = byte(state >> 24)
	}
	err := add(r, entry{"k", string(noise)})
	require.ErrorIs(t, err, ErrFull)
	require.ErrorContains(t, err, "more than 1048576 bytes on disk")
}

func TestEntriesOutOfOrderAreRefused(t *testing.T) {
	t.Parallel()
	require.Error(t, add(newRuns(t, 1<<20), entry{"b", ""}, entry{"a", ""}))
}

func TestStopEndsWritingAndMerging(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	r := New(Options{Dir: t.TempDir(), MaxBytes: 1 << 30, Stop: ctx.Err})
	long := strings.Repeat("v", blockBytes)
	require.NoError(t, add(r, entry{"a", long}, entry{"b", long}))
	cancel()
	m, err := r.Merge()
	require.NoError(t, err)
	require.ErrorIs(t, m.Next(), context.Canceled)
	require.ErrorIs(t, add(r, entry{"c", long}), context.Canceled)
	r.Close()
}

func TestWhatADiskChangesIsAnError(t *testing.T) {
	t.Parallel()
	for at := range int64(20) {
		r := newRuns(t, 1<<20)
		var entries []entry
		for i := range 200 {
			entries = append(entries, entry{fmt.Sprintf("%03d", i), fmt.Sprint(i * i)})
		}
		require.NoError(t, add(r, entries...))
		n := r.runs[0]
		offset := n.bytes * at / 20
		var b [1]byte
		_, err := n.file.ReadAt(b[:], offset)
		require.NoError(t, err)
		_, err = n.file.WriteAt([]byte{b[0] ^ 0x10}, offset)
		require.NoError(t, err)
		require.Error(t, drain(r), "byte %d of %d", offset, n.bytes)

		r.Close()
		require.NoError(t, add(r, entries...))
		r.runs[0].bytes = r.runs[0].bytes * at / 20
		err = drain(r)
		require.Error(t, err, "cut off after %d bytes", r.runs[0].bytes)
		require.False(t, errors.Is(err, ErrFull))
	}
}

func drain(r *Runs) error {
	m, err := r.Merge()
	for err == nil && !m.Done() {
		err = m.Next()
	}
	return err
}

func BenchmarkSpill(b *testing.B) {
	const entries = 200_000
	key, value := make([]byte, 24), bytes.Repeat([]byte{1, 2, 3, 4}, 16)
	r := newRuns(b, 1<<30)
	b.SetBytes(entries * int64(len(key)+len(value)))
	for b.Loop() {
		for run := range 8 {
			err := r.Add(func(add func(key, value []byte) error) error {
				for i := range entries / 8 {
					n := uint32(i*8 + run)
					key[20], key[21], key[22], key[23] = byte(n>>24), byte(n>>16), byte(n>>8), byte(n)
					if err := add(key, value); err != nil {
						return err
					}
				}
				return nil
			})
			require.NoError(b, err)
		}
		require.NoError(b, drain(r))
		r.Close()
	}
}
