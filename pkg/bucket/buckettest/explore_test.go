package buckettest_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tilery/tilery/pkg/bucket"
	"github.com/tilery/tilery/pkg/bucket/buckettest"
)

// played returns how many schedules have two actors of the given numbers of calls.
func played(t *testing.T, faults int, calls []int, call func(ctx context.Context, b bucket.Bucket, actor int) error) (n int) {
	buckettest.Explore(t, buckettest.Plan{Faults: faults}, func(t *testing.T, s *buckettest.Schedule) {
		memory := buckettest.NewMemory()
		for actor, count := range calls {
			s.Go(fmt.Sprint("actor ", actor), func(p *buckettest.Process) error {
				b := p.Bucket(memory)
				for range count {
					<-time.After(time.Second) // in no time
					if err := call(t.Context(), b, actor); err != nil {
						return err
					}
				}
				return nil
			})
		}
		s.Finally(func() { n++ })
	})
	return n
}

func TestEveryOrderOfStepsThatMeetIsPlayedOnce(t *testing.T) {
	t.Parallel()
	same := func(ctx context.Context, b bucket.Bucket, _ int) error { return b.Put(ctx, "k", nil) }
	require.Equal(t, 20, played(t, 0, []int{3, 3}, same), "6 over 3")
	require.Equal(t, 90, played(t, 0, []int{2, 2, 2}, same), "6! / 2!2!2!")
}

func TestOrdersOfStepsThatDoNotMeetArePlayedOnce(t *testing.T) {
	t.Parallel()
	require.Equal(t, 1, played(t, 0, []int{3, 3}, func(ctx context.Context, b bucket.Bucket, actor int) error {
		return b.Put(ctx, fmt.Sprint(actor), nil)
	}), "puts of different keys")
	require.Equal(t, 1, played(t, 0, []int{3, 3}, func(ctx context.Context, b bucket.Bucket, _ int) error {
		for _, err := range b.List(ctx, "", "") {
			return err
		}
		return nil
	}), "lists")
}

func TestEveryStepCanFailInEveryWay(t *testing.T) {
	t.Parallel()
	// A life of two puts of one key, with a fault at one of them: crash before,
	// crash after, answer lost. The next life has both again, and no fault.
	require.Equal(t, 1+2*3, played(t, 1, []int{2}, func(ctx context.Context, b bucket.Bucket, _ int) error {
		return b.Put(ctx, "k", nil)
	}))
}

// Two actors that read a counter and write it back lose an increment, but not in
// every order.
func TestALostUpdateIsFound(t *testing.T) {
	t.Parallel()
	counts := map[int]int{}
	buckettest.Explore(t, buckettest.Plan{}, func(t *testing.T, s *buckettest.Schedule) {
		memory := buckettest.NewMemory()
		require.NoError(t, memory.Put(t.Context(), "k", nil))
		for actor := range 2 {
			s.Go(fmt.Sprint("actor ", actor), func(p *buckettest.Process) error {
				b := p.Bucket(memory)
				data, err := b.Get(t.Context(), "k")
				if err != nil {
					return err
				}
				return b.Put(t.Context(), "k", append(data, 'x'))
			})
		}
		s.Finally(func() {
			data, err := memory.Get(t.Context(), "k")
			require.NoError(t, err)
			counts[len(data)]++
		})
	})
	// Four of the six orders begin with both reads, whose own order says nothing.
	require.Equal(t, map[int]int{1: 2, 2: 2}, counts)
}
