package ledger_test

import (
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/tilery/tilery/pkg/bucket/buckettest"
	"github.com/tilery/tilery/pkg/ledger"
	"github.com/tilery/tilery/pkg/window"
)

func TestHoldsAreKeptUnderTheirIntervals(t *testing.T) {
	t.Parallel()
	b := open(t)
	l := ledger.New(b)
	for range 2 {
		require.NoError(t, l.PutHold(t.Context(), workspace, view, day, jobNumber(1).ID))
	}
	key := "holds/prod/airport_delays/20010201T000000Z-20010202T000000Z.json"
	require.Equal(t, []string{key}, keys(t, b))
	data, err := b.Get(t.Context(), key)
	require.NoError(t, err)
	require.JSONEq(t, `{"format": 1, "job": "00000000000000000000000000000001",
		"window": {"start": "2001-02-01T00:00:00Z", "end": "2001-02-02T00:00:00Z"}}`, string(data))
	other, err := l.Holds(t.Context(), workspace, "other")
	require.NoError(t, err)
	require.Empty(t, other)
}

func TestHoldsEqualASetOfInstants(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		l := ledger.New(open(t))
		var want window.Set
		for range rapid.IntRange(1, 8).Draw(rt, "steps") {
			i := window.Interval{Start: window.Time(rapid.IntRange(0, 10).Draw(rt, "start")) * 500_000}
			i.End = i.Start + window.Time(rapid.IntRange(1, 5).Draw(rt, "length"))*500_000
			if rapid.Bool().Draw(rt, "put") {
				require.NoError(rt, l.PutHold(t.Context(), workspace, view, i, ""))
				want = want.Union(window.NewSet(i))
			} else {
				require.NoError(rt, l.DeleteHold(t.Context(), workspace, view, i))
				want = want.Subtract(window.NewSet(i))
			}
			got, err := l.Holds(t.Context(), workspace, view)
			require.NoError(rt, err)
			require.Equal(rt, want, got)
		}
	})
}

func TestALiftCutShortNeverLiftsMoreAndCanBeRepeated(t *testing.T) {
	t.Parallel()
	second := window.Time(1_000_000)
	held := window.Interval{Start: 0, End: 10 * second}
	lifted := window.Interval{Start: 4 * second, End: 6 * second}
	for allowed := range 4 { // list, two puts, delete
		b := open(t)
		require.NoError(t, ledger.New(b).PutHold(t.Context(), workspace, view, held, ""))
		calls := 0
		err := ledger.New(buckettest.Faulty{Bucket: b, Hook: func(string, string) buckettest.Fault {
			calls++
			if calls > allowed {
				return buckettest.Refused
			}
			return buckettest.None
		}}).DeleteHold(t.Context(), workspace, view, lifted)
		require.ErrorIs(t, err, buckettest.ErrInjected)
		holds, err := ledger.New(b).Holds(t.Context(), workspace, view)
		require.NoError(t, err)
		require.Equal(t, window.NewSet(held), holds)

		require.NoError(t, ledger.New(b).DeleteHold(t.Context(), workspace, view, lifted))
		holds, err = ledger.New(b).Holds(t.Context(), workspace, view)
		require.NoError(t, err)
		require.Equal(t, window.NewSet(held).Subtract(window.NewSet(lifted)), holds)
	}
}

func TestForeignHoldsAreNamed(t *testing.T) {
	t.Parallel()
	for _, name := range []string{
		"note.txt", "none-none.json", "20010201T000000Z-20010202T000000Z",
		"20010202T000000Z-20010201T000000Z.json", "20010201T000000.0Z-20010202T000000Z.json",
	} {
		b := open(t)
		require.NoError(t, b.Put(t.Context(), "holds/prod/airport_delays/"+name, nil))
		_, err := ledger.New(b).Holds(t.Context(), workspace, view)
		require.ErrorIs(t, err, ledger.ErrCorrupt)
		require.ErrorContains(t, err, name)
	}
	l := ledger.New(open(t))
	require.ErrorIs(t, l.PutHold(t.Context(), workspace, view, window.Interval{}, ""), ledger.ErrInvalid)
	require.ErrorIs(t, l.PutHold(t.Context(), workspace, view, day, "not an id"), ledger.ErrInvalid)
}
