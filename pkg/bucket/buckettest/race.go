package buckettest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"

	"github.com/tilery/tilery/pkg/bucket"
)

const racers = 16

// Race lets 16 goroutines put each of n keys at the same moment, in folders that do
// not exist before. Each key must have one winner, whose bytes it holds, whole; all
// others must hear ErrExists.
func Race(t *testing.T, b bucket.Bucket, n int) {
	begun := time.Now()
	group, ctx := errgroup.WithContext(t.Context())
	group.SetLimit(8) // keys at once, for stores where a sync takes longer than a race
	for i := range n {
		group.Go(func() error { return raceFor(ctx, b, fmt.Sprintf("race/%d/%d", i/20, i)) })
	}
	require.NoError(t, group.Wait())
	require.Len(t, list(t, b, "race/", ""), n)
	t.Logf("%d goroutines raced for each of %d keys in %v", racers, n, time.Since(begun).Round(time.Millisecond))
}

func raceFor(ctx context.Context, b bucket.Bucket, key string) error {
	errs := together(racers, func(racer int) error {
		return b.PutIfAbsent(ctx, key, payload(key, racer))
	})
	var winners []int
	for racer, err := range errs {
		switch {
		case err == nil:
			winners = append(winners, racer)
		case !errors.Is(err, bucket.ErrExists):
			return err
		}
	}
	if len(winners) != 1 {
		return fmt.Errorf("%s has winners %v, want one", key, winners)
	}
	data, err := b.Get(ctx, key)
	if err != nil {
		return err
	}
	if !bytes.Equal(data, payload(key, winners[0])) {
		return fmt.Errorf("%s does not hold the bytes of its winner %d", key, winners[0])
	}
	return nil
}

// payload is unique to key and racer, and differs in length between racers.
func payload(key string, racer int) []byte {
	return bytes.Repeat(fmt.Appendf(nil, "%s by %d\n", key, racer), 1+racer*10)
}

// together runs call(0) to call(n-1) at once and returns their errors.
func together(n int, call func(i int) error) []error {
	errs := make([]error, n)
	start := make(chan struct{})
	var wait sync.WaitGroup
	for i := range n {
		wait.Go(func() {
			<-start
			errs[i] = call(i)
		})
	}
	close(start)
	wait.Wait()
	return errs
}

// testClaimFaults goes through all faults of the first four calls of a claim, over
// an absent object and over another's.
func testClaimFaults(t *testing.T, b bucket.Bucket) {
	const calls = 4
	faults := []Fault{None, Refused, LostAnswer}
	cases := 1
	for range calls {
		cases *= len(faults)
	}
	errs := together(2*cases, func(i int) error {
		key, other := fmt.Sprintf("claim/%d", i), i%2 == 1
		if other {
			if err := b.Put(t.Context(), key, []byte("other")); err != nil {
				return err
			}
		}
		left := i / 2 // one digit in base 3 per call
		faulty := Faulty{Bucket: b, Hook: func(string, string) Fault {
			fault := faults[left%len(faults)]
			left /= len(faults)
			return fault
		}}
		data := []byte("own")
		err := bucket.Claim(t.Context(), faulty, key, data)
		stored, readErr := b.Get(t.Context(), key)
		switch {
		case readErr != nil:
			return fmt.Errorf("%w after claim: %w", readErr, err)
		case !other && err == nil && bytes.Equal(stored, data):
			return nil
		case other && errors.Is(err, bucket.ErrExists) && !bytes.Equal(stored, data):
			return nil
		}
		return fmt.Errorf("claim answered %w and the object holds %q", err, stored)
	})
	for i, err := range errs {
		require.NoError(t, err, "case %d", i)
	}
}

// testClaimRace lets claimers that each lose half of their answers race for a key.
func testClaimRace(t *testing.T, b bucket.Bucket) {
	const keys, claimers = 40, 8
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	errs := together(keys*claimers, func(i int) error {
		rng := rand.New(rand.NewPCG(seed, uint64(i)))
		faulty := Faulty{Bucket: b, Hook: func(string, string) Fault {
			return []Fault{None, None, Refused, LostAnswer}[rng.IntN(4)]
		}}
		key := fmt.Sprintf("claims/%d", i%keys)
		return bucket.Claim(t.Context(), faulty, key, payload(key, i))
	})
	unknown := 0
	for i, err := range errs {
		key := fmt.Sprintf("claims/%d", i%keys)
		stored, readErr := b.Get(t.Context(), key)
		require.NoError(t, readErr)
		own := bytes.Equal(stored, payload(key, i))
		switch {
		case err == nil:
			require.True(t, own, "claimer %d of %s won without its bytes", i, key)
		case errors.Is(err, bucket.ErrExists):
			require.False(t, own, "claimer %d of %s lost with its bytes there", i, key)
		default:
			require.ErrorIs(t, err, bucket.ErrUnknown)
			unknown++
		}
	}
	t.Logf("%d of %d claims ended unknown", unknown, len(errs))
}
