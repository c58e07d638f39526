package timelimit_test

import (
	"context"
	"errors"
	"iter"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tilery/tilery/pkg/internal/timelimit"
)

const limit = 10 * time.Second

var errStore = errors.New("the store's own error")

// wait lets the bubble's clock go on.
func wait(d time.Duration) { <-time.After(d) }

// took returns how long do takes, by the bubble's clock.
func took(do func()) time.Duration {
	began := time.Now()
	do()
	return time.Since(began)
}

func TestAnswersInTimeAreTheStores(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := timelimit.New(limit)
		for _, want := range []error{nil, errStore, context.DeadlineExceeded} { // the last is of a client inside the store
			got, err := timelimit.Call(t.Context(), l, func(context.Context) (int, error) {
				wait(limit - 1)
				return 7, want
			})
			require.Equal(t, want, err)
			require.Equal(t, 7, got)
		}
	})
}

func TestACallThatHangsEnds(t *testing.T) {
	heeds := func(ctx context.Context) (int, error) { <-ctx.Done(); return 0, ctx.Err() }
	for name, c := range map[string]struct {
		call  func(ctx context.Context, release <-chan struct{}) (int, error)
		takes time.Duration
	}{
		"with its context":  {func(ctx context.Context, _ <-chan struct{}) (int, error) { return heeds(ctx) }, limit},
		"or is left behind": {func(_ context.Context, release <-chan struct{}) (int, error) { <-release; return 0, nil }, limit + time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l, release := timelimit.New(limit), make(chan struct{})
				defer close(release)
				call := func(ctx context.Context) (int, error) { return c.call(ctx, release) }
				var err error
				require.Equal(t, c.takes, took(func() { _, err = timelimit.Call(t.Context(), l, call) }))
				require.ErrorIs(t, err, timelimit.ErrExceeded)
				require.NotErrorIs(t, err, context.DeadlineExceeded, "the caller's own context goes on")
				require.True(t, timelimit.GaveUp(err))

				ctx, cancel := context.WithCancel(t.Context())
				time.AfterFunc(time.Second, cancel)
				require.Equal(t, c.takes-limit+time.Second, took(func() { _, err = timelimit.Call(ctx, l, call) }))
				require.Equal(t, context.Canceled, err)
			})
		})
	}
}

func TestAnAnswerThatComesJustAfterTheLimitCounts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, want := range []error{nil, errStore} {
			_, err := timelimit.Call(t.Context(), timelimit.New(limit), func(context.Context) (int, error) {
				wait(limit + time.Second/2)
				return 0, want
			})
			require.Equal(t, want, err)
		}
	})
}

func TestValuesThatComeLateAreDropped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var dropped []int
		call := func(value int, answer error, after time.Duration) error {
			_, err := timelimit.CallOrDrop(t.Context(), timelimit.New(limit), func(context.Context) (int, error) {
				wait(after)
				return value, answer
			}, func(v int) { dropped = append(dropped, v) })
			return err
		}
		require.NoError(t, call(1, nil, limit/2))
		require.Error(t, call(2, nil, 2*limit))
		require.Error(t, call(3, errStore, 2*limit))
		wait(2 * limit)
		synctest.Wait()
		require.Equal(t, []int{2}, dropped)
	})
}

func TestCallsLeftBehindAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, release := timelimit.New(limit), make(chan struct{})
		hang := func(context.Context) (int, error) { <-release; return 0, nil }
		hangSeq := func(context.Context) iter.Seq2[int, error] { return func(func(int, error) bool) { <-release } }
		refused := 0
		for range 100 {
			_, err := timelimit.Call(t.Context(), l, hang)
			if errors.Is(err, timelimit.ErrHanging) {
				refused++
			}
		}
		require.Equal(t, 100-64, refused)
		for _, err := range timelimit.Seq(t.Context(), l, hangSeq) {
			require.ErrorIs(t, err, timelimit.ErrHanging)
		}
		close(release)
		synctest.Wait()
		_, err := timelimit.Call(t.Context(), l, hang)
		require.NoError(t, err, "they have ended")
	})
}

// collect returns the items of a sequence and the error that ended it.
func collect(seq iter.Seq2[int, error]) (items []int, err error) {
	for item, e := range seq {
		if err = e; e == nil {
			items = append(items, item)
		}
	}
	return items, err
}

// slowly yields 0, 1, 2 with a pause before each and at the end, then err if any.
func slowly(pause time.Duration, err error) func(context.Context) iter.Seq2[int, error] {
	return func(context.Context) iter.Seq2[int, error] {
		return func(yield func(int, error) bool) {
			for i := range 3 {
				wait(pause)
				if !yield(i, nil) {
					return
				}
			}
			wait(pause)
			if err != nil {
				yield(0, err)
			}
		}
	}
}

func TestASequenceHasTheLimitForEachItem(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := timelimit.New(limit)
		for _, want := range []error{nil, errStore} {
			items, err := collect(timelimit.Seq(t.Context(), l, slowly(limit-1, want)))
			require.Equal(t, []int{0, 1, 2}, items)
			require.Equal(t, want, err)
		}
		items, err := collect(timelimit.Seq(t.Context(), l, slowly(limit+1, nil)))
		require.Empty(t, items)
		require.ErrorIs(t, err, timelimit.ErrExceeded)
		synctest.Wait()
	})
}

func TestASlowConsumerDoesNotUseUpTheLimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var items []int
		for item, err := range timelimit.Seq(t.Context(), timelimit.New(limit), slowly(0, nil)) {
			require.NoError(t, err)
			items = append(items, item)
			wait(2 * limit)
		}
		require.Equal(t, []int{0, 1, 2}, items)
	})
}

func TestASequenceThatIsCutOffSaysSo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		heeds := func(ctx context.Context) iter.Seq2[int, error] {
			return func(yield func(int, error) bool) {
				if yield(0, nil) {
					<-ctx.Done()
					yield(0, ctx.Err())
				}
			}
		}
		time.AfterFunc(time.Second, cancel)
		items, err := collect(timelimit.Seq(ctx, timelimit.New(limit), heeds))
		require.Equal(t, []int{0}, items)
		require.Equal(t, context.Canceled, err)
	})
}

func TestAConsumerThatLeavesEndsTheSequence(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ended := false
		seq := func(context.Context) iter.Seq2[int, error] {
			return func(yield func(int, error) bool) {
				for i := 0; yield(i, nil); i++ {
				}
				ended = true
			}
		}
		for item, err := range timelimit.Seq(t.Context(), timelimit.New(limit), seq) {
			require.NoError(t, err)
			if item == 5 {
				break
			}
		}
		require.True(t, ended, "nothing runs on")
	})
}
