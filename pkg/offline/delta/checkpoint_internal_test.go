package delta

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/tilery/tilery/pkg/offline"
	"github.com/tilery/tilery/pkg/offline/offlinetest"
	"github.com/tilery/tilery/pkg/window"
)

var firstHour = window.FromTime(time.Date(2001, 1, 5, 0, 0, 0, 0, time.UTC))

func testLayout(t require.TestingT) *layout {
	l, err := newLayout(offlinetest.Spec())
	require.NoError(t, err)
	return l
}

// pastVersions makes the versions of a random history, as a log holds them: all that
// commits, overwrites, compactions, deletions and other programs may do.
type pastVersions struct {
	*rapid.T
	layout *layout
	state  *state // after the versions so far
	files  int
}

// next returns a version that may follow, and applies it.
func (h *pastVersions) next() *version {
	number := h.state.number + 1
	info := commitInfo{Timestamp: rapid.Int64Range(-5, 30*24*3600*1000).Draw(h.T, "made"), Operation: "WRITE"}
	if rapid.IntRange(0, 4).Draw(h.T, "ours") > 0 {
		info.Tilery = &tileryInfo{CommitID: fmt.Sprint("commit-", number), Online: rapid.Bool().Draw(h.T, "online")}
	}
	actions := []map[string]any{{"commitInfo": info}}
	add := func(name string, action any) { actions = append(actions, map[string]any{name: action}) }
	if number == 0 || rapid.IntRange(0, 9).Draw(h.T, "describes") == 0 {
		m := h.layout.metaData
		m.ID, m.CreatedTime = "table", 7
		m.Description = rapid.StringN(0, 9, -1).Draw(h.T, "description")
		add("protocol", protocol{MinReaderVersion: 1, MinWriterVersion: rapid.IntRange(1, 2).Draw(h.T, "protocol")})
		add("metaData", m)
	}
	for _, f := range h.state.live() {
		if rapid.IntRange(0, 2).Draw(h.T, "removed") == 0 {
			add("remove", removeOf(f, rapid.Int64Range(-1, 30*24*3600*1000).Draw(h.T, "removed at")))
		}
	}
	for range rapid.IntRange(0, 3).Draw(h.T, "adds") {
		add("add", addOf(h.file(number)))
	}
	covered := map[int]bool{}
	for range rapid.IntRange(0, 3).Draw(h.T, "windows") {
		n := rapid.IntRange(0, 20).Draw(h.T, "window")
		w := window.Interval{Start: firstHour.Add(time.Duration(n) * time.Hour)}
		if !covered[n] {
			covered[n] = true
			readAt := h.state.readAt[w.Start] + window.Time(rapid.Int64Range(1, 1<<50).Draw(h.T, "read at"))
			add("txn", windowTxn(offline.Build{Window: w, ReadAt: readAt}, 3))
		}
	}
	if rapid.IntRange(0, 5).Draw(h.T, "fences") == 0 {
		add("txn", transaction{AppID: fenceID, Version: h.state.fence + 1, LastUpdated: 3})
	}
	if rapid.IntRange(0, 5).Draw(h.T, "others") == 0 {
		add("txn", transaction{AppID: rapid.SampledFrom([]string{"i/1", "theirs", "z z"}).Draw(h.T, "app"), Version: number, LastUpdated: 9})
	}
	if info.Tilery != nil {
		info.Tilery.Lines = len(actions)
	}
	data, err := encodeLines(actions)
	require.NoError(h, err)
	v, err := decodeVersion(number, data)
	require.NoError(h, err)
	require.NoError(h, h.state.apply(h.layout, v))
	return v
}

func (h *pastVersions) file(number int64) offline.File {
	h.files++
	at := firstHour.Add(time.Duration(rapid.IntRange(0, 23*60).Draw(h.T, "minute")) * time.Minute)
	return offline.File{
		Path: fmt.Sprintf("time_partition=2001-01-05/%d-a-b.parquet", h.files), Size: 7, Rows: 3, Partition: "2001-01-05",
		MinTime: at, MaxTime: at + 5, WrittenAt: at + 7001, Seq: rapid.Int64Range(0, number).Draw(h.T, "seq"),
		Stats: `{"numRecords":3,"minValues":{"user":"å"}}`,
	}
}

// lastingPart is what a checkpoint keeps of a state.
func lastingPart(s *state, expired window.Time) map[string]any {
	tombstones := maps.Clone(s.tombstones)
	maps.DeleteFunc(tombstones, func(_ string, removed window.Time) bool { return removed < expired })
	return map[string]any{
		"spec": s.spec, "number": s.number, "protocol": s.protocol, "metaData": s.metaData, "files": s.files,
		"readAt": s.readAt, "fence": s.fence, "txns": s.txns, "clock": s.clock, "tombstones": tombstones, "commits": s.commits,
	}
}

func restored(ctx context.Context, number int64, data []byte) (*state, error) {
	l, err := newLayout(offlinetest.Spec())
	if err != nil {
		return nil, err
	}
	s := newState(offlinetest.Spec())
	return s, s.restore(ctx, l, number, data)
}

func TestAStateIsTheSameThroughCheckpoints(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		h := &pastVersions{T: rt, layout: testLayout(rt), state: newState(offlinetest.Spec())}
		var through *state // a checkpoint, and the versions after it
		retention := time.Duration(rapid.IntRange(0, 30*24).Draw(rt, "retention")) * time.Hour
		for range rapid.IntRange(1, 10).Draw(rt, "versions") {
			v := h.next()
			expired := h.state.clock.Add(-retention)
			beyond := horizon{removed: expired, appended: expired}
			if through != nil {
				require.NoError(rt, through.apply(h.layout, v))
				require.Equal(rt, lastingPart(h.state, expired), lastingPart(through, expired))
			}
			if rapid.IntRange(0, 4).Draw(rt, "checkpoint") > 0 {
				continue
			}
			data, err := h.state.encode(beyond)
			require.NoError(rt, err)
			if through != nil {
				again, err := through.encode(beyond)
				require.NoError(rt, err)
				require.Equal(rt, data, again, "the bytes do not depend on what the state was read from")
			}
			through, err = restored(t.Context(), v.number, data)
			require.NoError(rt, err)
			require.Equal(rt, lastingPart(h.state, expired), lastingPart(through, expired))
			require.Equal(rt, h.state.rows(beyond), through.rows(horizon{}))
		}
	})
}

// manyFiles returns a state of more rows than a row group has.
func manyFiles(t require.TestingT, files int) *state {
	l := testLayout(t)
	s := newState(offlinetest.Spec())
	require.NoError(t, s.applyProtocol(protocol{MinReaderVersion: 1, MinWriterVersion: 2}))
	require.NoError(t, s.applyMetaData(l, l.metaData))
	for i := range files {
		f := offline.File{
			Path: fmt.Sprintf("time_partition=2001-01-05/%06d-a-b.parquet", i), Size: int64(1 + i), Rows: 1,
			Partition: "2001-01-05", MinTime: firstHour, MaxTime: firstHour, Stats: `{"numRecords":1}`,
		}
		s.files[f.Path] = f
		s.readAt[firstHour.Add(time.Duration(i)*time.Hour)] = window.Time(1 + i)
	}
	s.number = 3
	return s
}

func TestCheckpointsOfManyRowGroups(t *testing.T) {
	t.Parallel()
	s := manyFiles(t, checkpointGroupRows)
	data, err := s.encode(horizon{})
	require.NoError(t, err)
	got, err := restored(t.Context(), 3, data)
	require.NoError(t, err)
	require.Equal(t, lastingPart(s, 0), lastingPart(got, 0))
}

func TestADamagedCheckpointIsFound(t *testing.T) {
	t.Parallel()
	whole, err := manyFiles(t, 50).encode(horizon{})
	require.NoError(t, err)
	for n := 0; n < len(whole); n += 5 {
		_, err := restored(t.Context(), 3, whole[:n])
		require.ErrorIs(t, err, offline.ErrCorrupt, "cut to %d bytes", n)
		changed := bytes.Clone(whole)
		changed[n] ^= 0x20
		_, err = restored(t.Context(), 3, changed)
		require.ErrorIs(t, err, offline.ErrCorrupt, "byte %d", n)
	}
	_, err = restored(t.Context(), 4, whole)
	require.ErrorIs(t, err, offline.ErrCorrupt, "of another version")
	_, err = restored(t.Context(), 3, whole)
	require.NoError(t, err)
}

func FuzzDecodeCheckpoint(f *testing.F) {
	for _, files := range []int{0, 1, 40} {
		s := manyFiles(f, files)
		s.txns["theirs"] = transaction{AppID: "theirs", Version: 1}
		s.tombstones["a"] = 1
		data, err := s.encode(horizon{})
		require.NoError(f, err)
		f.Add(data)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		_, err := restored(t.Context(), 3, data)
		if err != nil && !errors.Is(err, offline.ErrCorrupt) && !errors.Is(err, offline.ErrMismatch) {
			t.Fatalf("error of another kind: %v", err)
		}
	})
}
