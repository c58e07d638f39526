package offlinetest

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"

	"github.com/tilery/tilery/pkg/bucket/buckettest"
	"github.com/tilery/tilery/pkg/offline"
)

func testFaults(t *testing.T, d Driver) {
	t.Run("unheard answers of commits are resolved", func(t *testing.T) { testLostAnswers(t, d) })
	t.Run("a commit of unknown outcome can be tried again", func(t *testing.T) { testUnknownOutcome(t, d) })
	t.Run("failed reads are errors, not corruption", func(t *testing.T) { testFailedReads(t, d) })
	t.Run("a failed upload is no build", func(t *testing.T) {
		s := newScene(t, d)
		for _, op := range []string{"Create", "Close"} {
			faulty := buckettest.Faulty{Bucket: s.bucket, Hook: func(got, _ string) buckettest.Fault {
				if got == op {
					return buckettest.Refused
				}
				return buckettest.None
			}}
			table, err := d.Open(faulty).Open(t.Context(), s.spec)
			require.NoError(t, err)
			_, err = Write(t.Context(), table, hour(0), readAt(1), []Row{row("a", 1, hour(0).Start)})
			require.ErrorIs(t, err, buckettest.ErrInjected)
		}
		s.requireTable()
	})
}

// commitFaults makes the puts of commits fail before or after they are done.
func commitFaults(random *rand.Rand) func(op, key string) buckettest.Fault {
	var mu sync.Mutex
	return func(op, key string) buckettest.Fault {
		if op != "PutIfAbsent" || !strings.Contains(key, "_delta_log") {
			return buckettest.None
		}
		mu.Lock()
		defer mu.Unlock()
		return []buckettest.Fault{buckettest.None, buckettest.Refused, buckettest.LostAnswer}[random.IntN(3)]
	}
}

func testLostAnswers(t *testing.T, d Driver) {
	s := newScene(t, d)
	var group errgroup.Group
	for r := range 3 {
		random := rand.New(rand.NewPCG(2, uint64(r)))
		store := d.Open(buckettest.Faulty{Bucket: s.bucket, Hook: commitFaults(random)})
		group.Go(func() error {
			table, err := store.Open(t.Context(), s.spec)
			if err != nil {
				return err
			}
			for n := range 6 {
				b := id(6*r+n, 1)
				build, err := Write(t.Context(), table, b.Window, b.ReadAt, RowsFor(b))
				if err != nil {
					return err
				}
				c := offline.Commit{ID: fmt.Sprintf("lost-%d-%d", r, n), Builds: []offline.Build{build}}
				result, err := table.Commit(t.Context(), c)
				if err != nil {
					return err
				}
				if result.Outcomes[0] != offline.Committed {
					return fmt.Errorf("window %v, which nobody else builds, is %s", b.Window, result.Outcomes[0])
				}
			}
			return nil
		})
	}
	require.NoError(t, group.Wait())
	var winners []ID
	for n := range 18 {
		winners = append(winners, id(n, 1))
	}
	s.requireTable(winners...) // and B3
}

// testUnknownOutcome ends the caller's context while the put is under way.
func testUnknownOutcome(t *testing.T, d Driver) {
	for name, fault := range map[string]buckettest.Fault{"done": buckettest.HangAfter, "not done": buckettest.HangBefore} {
		t.Run(name, func(t *testing.T) {
			s := newScene(t, d)
			b := id(0, 1)
			build := s.build(b)
			ctx, cancel := context.WithCancel(t.Context())
			faulty := buckettest.Faulty{Bucket: s.bucket, Hook: func(op, _ string) buckettest.Fault {
				if op != "PutIfAbsent" {
					return buckettest.None
				}
				cancel()
				return fault
			}}
			table, err := d.Open(faulty).Open(ctx, s.spec)
			require.NoError(t, err)
			c := s.newCommit(true, build)
			_, err = table.Commit(ctx, c)
			require.Error(t, err)

			result, err := s.table.Commit(t.Context(), c)
			require.NoError(t, err)
			require.Equal(t, outcomes(offline.Committed), result.Outcomes)
			require.EqualValues(t, 1, s.snapshot().Version, "B3")
			s.requireTable(b)
		})
	}
}

func testFailedReads(t *testing.T, d Driver) {
	s := newScene(t, d)
	build, err := Write(t.Context(), s.table, hour(0), readAt(1), []Row{row("a", 1, hour(0).Start)})
	require.NoError(t, err)
	s.commit(false, build)
	for _, op := range []string{"Get", "GetRange", "Stat", "List"} {
		broken := false
		faulty := buckettest.Faulty{Bucket: s.bucket, Hook: func(got, _ string) buckettest.Fault {
			if broken && got == op {
				return buckettest.Refused
			}
			return buckettest.None
		}}
		store := d.Open(faulty)
		broken = op == "List"
		table, err := store.Open(t.Context(), s.spec)
		if broken {
			require.ErrorIs(t, err, buckettest.ErrInjected)
			require.NotErrorIs(t, err, offline.ErrCorrupt)
			continue
		}
		require.NoError(t, err)
		broken = true
		if op == "Get" {
			_, err = table.Snapshot(t.Context())
		} else {
			_, err = ReadRows(t.Context(), table, build.Files)
		}
		require.ErrorIs(t, err, buckettest.ErrInjected, op)
		require.NotErrorIs(t, err, offline.ErrCorrupt, op)
		broken = false
		_, err = table.Snapshot(t.Context())
		require.NoError(t, err, "a failed read leaves no trace")
	}
}
