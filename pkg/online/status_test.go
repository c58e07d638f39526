package online_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tilery/tilery/pkg/online"
	"github.com/tilery/tilery/pkg/online/onlinetest"
	"github.com/tilery/tilery/pkg/online/pebble"
	"github.com/tilery/tilery/pkg/window"
)

func openStore(t *testing.T) online.Store {
	s, err := pebble.Open(t.TempDir(), pebble.Options{})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Close()) })
	return s
}

func at(micros int64) *window.Time {
	t := window.Time(micros)
	return &t
}

func readStatus(t *testing.T, s online.Store) (online.Status, uint64) {
	status, version, ok, err := online.ReadStatus(context.Background(), s, "s")
	require.NoError(t, err)
	require.True(t, ok)
	return status, version
}

func TestStatusIsComparedAndSet(t *testing.T) {
	t.Parallel()
	ctx, s := context.Background(), openStore(t)
	_, version, ok, err := online.ReadStatus(ctx, s, "s")
	require.NoError(t, err)
	require.False(t, ok)
	require.Zero(t, version)

	first := online.Status{Epoch: "e1"}
	second := online.Status{
		Epoch: "e1", Applied: 7, Covered: window.Set{{Start: -2, End: 0}, {Start: 5, End: 9}}, Watermark: at(9),
		Next:     &online.Filling{Epoch: "e2", From: 7, Covered: window.Set{{Start: 5, End: 9}}},
		Replaced: []online.Replaced{{Epoch: "e0", At: 3}},
	}
	won, err := online.WriteStatus(ctx, s, "s", first, 0)
	require.NoError(t, err)
	require.True(t, won)
	got, version1 := readStatus(t, s)
	require.Equal(t, first, got)
	require.NotZero(t, version1)

	won, err = online.WriteStatus(ctx, s, "s", second, 0)
	require.NoError(t, err)
	require.False(t, won, "another status is there")
	won, err = online.WriteStatus(ctx, s, "s", second, version1)
	require.NoError(t, err)
	require.True(t, won)
	got, version2 := readStatus(t, s)
	require.Equal(t, second, got)
	require.NotEqual(t, version1, version2)

	won, err = online.WriteStatus(ctx, s, "s", first, version1)
	require.NoError(t, err)
	require.False(t, won, "a zombie's status")
}

func TestStatusWhoseAnswerWasLostIsRecognised(t *testing.T) {
	t.Parallel()
	ctx, s := context.Background(), openStore(t)
	status := online.Status{Epoch: "e1", Applied: 1}
	fail := map[string]onlinetest.Fault{"write": onlinetest.After}
	faulty := onlinetest.Faulty{Store: s, Hook: func(op string) onlinetest.Fault { return fail[op] }}
	won, err := online.WriteStatus(ctx, faulty, "s", status, 0)
	require.NoError(t, err)
	require.True(t, won)

	_, version := readStatus(t, s)
	fail["get"] = onlinetest.Before
	_, err = online.WriteStatus(ctx, faulty, "s", status, version)
	require.ErrorIs(t, err, onlinetest.ErrInjected, "nobody knows")

	_, version = readStatus(t, s)
	delete(fail, "get")
	fail["write"] = onlinetest.Before
	won, err = online.WriteStatus(ctx, faulty, "s", status, version)
	require.ErrorIs(t, err, onlinetest.ErrInjected)
	require.False(t, won)
}

func TestStatusThatBreaksItsRulesIsNotWritten(t *testing.T) {
	t.Parallel()
	ctx, s := context.Background(), openStore(t)
	covered := window.Set{{Start: 0, End: 5}, {Start: 8, End: 9}}
	for name, status := range map[string]online.Status{
		"no epoch":                  {},
		"applied":                   {Epoch: "e", Applied: -1},
		"touching":                  {Epoch: "e", Covered: window.Set{{Start: 0, End: 5}, {Start: 5, End: 9}}},
		"descending":                {Epoch: "e", Covered: window.Set{{Start: 8, End: 9}, {Start: 0, End: 5}}},
		"empty interval":            {Epoch: "e", Covered: window.Set{{Start: 8, End: 8}}},
		"held, touching":            {Epoch: "e", Held: window.Set{{Start: 0, End: 5}, {Start: 5, End: 9}}},
		"held in year 0":            {Epoch: "e", Held: window.Set{{Start: window.MinTime - 1, End: 0}}},
		"year 0":                    {Epoch: "e", Covered: window.Set{{Start: window.MinTime - 1, End: 0}}},
		"year 10000":                {Epoch: "e", Covered: window.Set{{Start: 0, End: window.MaxTime + 1}}},
		"next of the same epoch":    {Epoch: "e", Next: &online.Filling{Epoch: "e"}},
		"next without an epoch":     {Epoch: "e", Next: &online.Filling{}},
		"next of an earlier time":   {Epoch: "e", Applied: 3, Next: &online.Filling{Epoch: "f", From: 2}},
		"next, touching":            {Epoch: "e", Next: &online.Filling{Epoch: "f", Covered: window.Set{{Start: 0, End: 5}, {Start: 5, End: 9}}}},
		"replaced and read":         {Epoch: "e", Replaced: []online.Replaced{{Epoch: "e"}}},
		"replaced and filled":       {Epoch: "e", Next: &online.Filling{Epoch: "f"}, Replaced: []online.Replaced{{Epoch: "f"}}},
		"watermark, none covered":   {Epoch: "e", Watermark: at(0)},
		"watermark before":          {Epoch: "e", Covered: covered, Watermark: at(0)},
		"watermark in a gap":        {Epoch: "e", Covered: covered, Watermark: at(6)},
		"watermark past the end":    {Epoch: "e", Covered: covered, Watermark: at(10)},
		"watermark far in the past": {Epoch: "e", Covered: covered, Watermark: at(-1 << 63)},
	} {
		_, err := online.WriteStatus(ctx, s, "s", status, 0)
		require.Error(t, err, name)
	}
	for _, good := range []int64{1, 5, 9, 7, 12} {
		won, err := online.WriteStatus(ctx, s, "s", online.Status{
			Epoch: "e", Covered: covered, Held: window.Set{{Start: 6, End: 8}, {Start: 9, End: 12}}, Watermark: at(good),
		}, 0)
		require.NoError(t, err)
		require.True(t, won)
		require.NoError(t, s.Drop(ctx, "s"))
	}
}

func TestDamagedStatusIsAnError(t *testing.T) {
	t.Parallel()
	ctx, s := context.Background(), openStore(t)
	for name, value := range map[string]string{
		"empty":             ``,
		"no format":         `{"epoch":"e","applied":0}`,
		"a later format":    `{"format":2,"epoch":"e","applied":0}`,
		"a later field":     `{"format":1,"epoch":"e","applied":0,"later":1}`,
		"two values":        `{"format":1,"epoch":"e","applied":0} {}`,
		"a broken rule":     `{"format":1,"epoch":"e","applied":-1}`,
		"an impossible set": `{"format":1,"epoch":"e","applied":0,"covered":[{"start":"2001-01-02T00:00:00Z","end":"2001-01-01T00:00:00Z"}]}`,
	} {
		done, err := s.Write(ctx, []online.Write{{
			Key:       online.Key{Store: "s", Kind: online.KindStatus},
			Cell:      online.Cell{Version: 1, Value: []byte(value)},
			Condition: online.IfNotNewer,
		}})
		require.NoError(t, err)
		require.Equal(t, []bool{true}, done)
		_, _, _, err = online.ReadStatus(ctx, s, "s")
		require.ErrorIs(t, err, online.ErrDamaged, name)
	}
}

func TestStatusTextIsTheOneOfEarlierPrograms(t *testing.T) {
	t.Parallel()
	ctx, s := context.Background(), openStore(t)
	status := online.Status{Epoch: "e", Applied: 3, Covered: window.Set{{Start: 0, End: 1e6}}, Watermark: at(1e6)}
	_, err := online.WriteStatus(ctx, s, "s", status, 0)
	require.NoError(t, err)
	cell, _, err := s.Get(ctx, online.Key{Store: "s", Kind: online.KindStatus})
	require.NoError(t, err)
	require.Equal(t, `{"format":1,"epoch":"e","applied":3,"covered":[{"start":"1970-01-01T00:00:00Z","end":"1970-01-01T00:00:01Z"}],"watermark":"1970-01-01T00:00:01Z"}`, string(cell.Value))
}
