package ledger_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"
	"pgregory.net/rapid"

	"github.com/tilery/tilery/pkg/bucket"
	"github.com/tilery/tilery/pkg/bucket/buckettest"
	"github.com/tilery/tilery/pkg/ledger"
)

// requireLegal checks that the job's states are numbered and follow each other as they may.
func requireLegal(t require.TestingT, history ledger.History) {
	from := ledger.State("")
	for n, r := range history.States {
		require.Equal(t, n+1, r.Number)
		require.Contains(t, successors(from), r.State)
		from = r.State
	}
}

func TestOfRacingWritersOfANumberOneWins(t *testing.T) {
	t.Parallel()
	l := ledger.New(open(t))
	for round := range 30 {
		job := jobNumber(round)
		appendAll(t, l, job, ledger.Running)
		var mu sync.Mutex
		var winners []ledger.Record
		var group errgroup.Group
		for writer := range 8 {
			group.Go(func() error {
				r := change(2, states[2+writer%6])
				if r.State == ledger.Running {
					r.State = ledger.Pending
				}
				r.Message = fmt.Sprintf("writer %d", writer)
				switch err := l.Append(t.Context(), job, r); {
				case errors.Is(err, ledger.ErrConflict):
					return nil
				case err != nil:
					return err
				}
				mu.Lock()
				defer mu.Unlock()
				winners = append(winners, r)
				return nil
			})
		}
		require.NoError(t, group.Wait())
		require.Len(t, winners, 1)
		history, err := l.Get(t.Context(), workspace, view, job.ID)
		require.NoError(t, err)
		require.Equal(t, []ledger.Record{change(1, ledger.Running), winners[0]}, history.States)
	}
}

func TestRacingHistoriesStayLegal(t *testing.T) {
	t.Parallel()
	l := ledger.New(open(t))
	const jobs, writers, steps = 10, 4, 8
	for n := range jobs {
		var group errgroup.Group
		for writer := range writers {
			group.Go(func() error {
				for step := range steps {
					// Each writer believes in numbers and states of its own.
					r := change(1+step/2, states[(n+3*writer+5*step)%len(states)])
					r.Message = fmt.Sprintf("writer %d", writer)
					err := l.Append(t.Context(), jobNumber(n), r)
					if err != nil && !errors.Is(err, ledger.ErrConflict) && !errors.Is(err, ledger.ErrTransition) {
						return err
					}
				}
				return nil
			})
		}
		require.NoError(t, group.Wait())
		history, err := l.Get(t.Context(), workspace, view, jobNumber(n).ID)
		if errors.Is(err, ledger.ErrNotFound) { // none began with a state that may be the first
			continue
		}
		require.NoError(t, err)
		requireLegal(t, history)
	}
}

func isName(key string) bool { return !strings.HasSuffix(key, ".json") }

func TestAWriterThatDiesAfterItsClaimIsCompletedByTheNext(t *testing.T) {
	t.Parallel()
	for what, next := range map[string]struct {
		record ledger.Record
		want   error
	}{
		"its own repetition":    {change(2, ledger.Running), nil},
		"a rival":               {change(2, ledger.Error), ledger.ErrConflict},
		"a successor":           {change(3, ledger.Success), nil},
		"an illegal successor":  {change(3, ledger.Running), ledger.ErrTransition},
		"one who skips numbers": {change(4, ledger.Success), ledger.ErrTransition},
	} {
		b := open(t)
		l := ledger.New(b)
		job := jobNumber(1)
		appendAll(t, l, job, ledger.Pending)
		dying, died := ledger.New(buckettest.Faulty{Bucket: b, Hook: func(op, key string) buckettest.Fault {
			if strings.HasPrefix(op, "Put") && isName(key) || op == "Get" {
				return buckettest.Refused
			}
			return buckettest.None
		}}), change(2, ledger.Running)
		died.Message = string([]byte{'\xff'}) + " & text that JSON spells in more than one way"
		synctest.Test(t, func(t *testing.T) {
			require.ErrorIs(t, dying.Append(t.Context(), job, died), bucket.ErrUnknown)
		})
		jobs, err := l.Jobs(t.Context(), workspace, view, 1)
		require.NoError(t, err)
		require.Equal(t, ledger.Pending, jobs[0].State)

		if what == "its own repetition" {
			next.record.Message = died.Message
		}
		err = l.Append(t.Context(), job, next.record)
		if next.want == nil {
			require.NoError(t, err, what)
		} else {
			require.ErrorIs(t, err, next.want, what)
		}
		require.NoError(t, l.Append(t.Context(), job, died), what)
		history, err := l.Get(t.Context(), workspace, view, job.ID)
		require.NoError(t, err)
		require.Equal(t, ledger.Running, history.States[1].State, what)
		requireLegal(t, history)
	}
}

// TestRepeatingUntilSuccessAppendsOnce loses answers and refuses calls at random.
func TestRepeatingUntilSuccessAppendsOnce(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		b := open(t)
		faults := rapid.SliceOfN(rapid.SampledFrom([]buckettest.Fault{
			buckettest.None, buckettest.Refused, buckettest.LostAnswer, buckettest.HangBefore, buckettest.HangAfter,
		}), 0, 60).Draw(rt, "faults")
		faulty := ledger.New(buckettest.Faulty{Bucket: b, Hook: func(string, string) buckettest.Fault {
			if len(faults) == 0 {
				return buckettest.None
			}
			fault := faults[0]
			faults = faults[1:]
			return fault
		}})
		want := []ledger.Record{change(1, ledger.Pending), change(2, ledger.Running), change(3, ledger.Success)}
		failed := attempt(2, 1, ledger.Error)
		repeat := func(t *testing.T, call func(context.Context) error) {
			once := func() error {
				ctx, cancel := context.WithTimeout(t.Context(), 20*time.Minute)
				defer cancel()
				return call(ctx)
			}
			err := once()
			for n := 0; err != nil && n < 100; n++ {
				require.NotErrorIs(rt, err, ledger.ErrConflict)
				require.NotErrorIs(rt, err, ledger.ErrTransition)
				err = once()
			}
			require.NoError(rt, err)
		}
		synctest.Test(t, func(t *testing.T) {
			for _, r := range want {
				repeat(t, func(ctx context.Context) error { return faulty.Append(ctx, jobNumber(1), r) })
			}
			repeat(t, func(ctx context.Context) error { return faulty.AppendAttempt(ctx, jobNumber(1), failed) })
		})
		history, err := ledger.New(b).Get(t.Context(), workspace, view, jobNumber(1).ID)
		require.NoError(rt, err)
		require.Equal(rt, want, history.States)
		require.Equal(rt, []ledger.Record{failed}, history.Attempts)
		require.Len(rt, keys(t, b), 7)
	})
}

func TestAListingThatMissedAJobsFirstStatePassesItOver(t *testing.T) {
	t.Parallel()
	b := open(t)
	l := ledger.New(b)
	appendAll(t, l, jobNumber(1), ledger.Running)
	appendAll(t, l, jobNumber(2), ledger.Running)
	require.NoError(t, l.AppendAttempt(t.Context(), jobNumber(2), attempt(1, 1, ledger.Error)))
	all := keys(t, b)
	n := slices.IndexFunc(all, isName)
	require.NoError(t, b.Delete(t.Context(), all[n]))

	jobs, err := l.Jobs(t.Context(), workspace, view, 1)
	require.NoError(t, err)
	require.Len(t, jobs, 1)
	require.Equal(t, jobNumber(1), jobs[0].Job)
	_, err = l.Get(t.Context(), workspace, view, jobNumber(2).ID)
	require.ErrorIs(t, err, ledger.ErrNotFound)
}

func TestErrorsOfTheBucketArePassedOn(t *testing.T) {
	t.Parallel()
	b := open(t)
	appendAll(t, ledger.New(b), jobNumber(1), ledger.Running)
	broken := func(operation string) *ledger.Ledger {
		return ledger.New(buckettest.Faulty{Bucket: b, Hook: func(op, _ string) buckettest.Fault {
			if op == operation {
				return buckettest.Refused
			}
			return buckettest.None
		}})
	}
	_, err := broken("List").Status(t.Context(), workspace, view, ledger.StatusOptions{})
	require.ErrorIs(t, err, buckettest.ErrInjected)
	_, err = broken("Get").Status(t.Context(), workspace, view, ledger.StatusOptions{Verbose: true})
	require.ErrorIs(t, err, buckettest.ErrInjected)
	_, err = broken("Get").Get(t.Context(), workspace, view, jobNumber(1).ID)
	require.ErrorIs(t, err, buckettest.ErrInjected)
	_, err = broken("List").Get(t.Context(), workspace, view, jobNumber(1).ID)
	require.ErrorIs(t, err, buckettest.ErrInjected)
	require.ErrorIs(t, broken("List").Append(t.Context(), jobNumber(1), change(2, ledger.Success)), buckettest.ErrInjected)
	_, err = broken("List").Holds(t.Context(), workspace, view)
	require.ErrorIs(t, err, buckettest.ErrInjected)
	require.ErrorIs(t, broken("Put").PutHold(t.Context(), workspace, view, day, ""), buckettest.ErrInjected)
}
