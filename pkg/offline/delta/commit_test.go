package delta_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tilery/tilery/pkg/bucket/buckettest"
	"github.com/tilery/tilery/pkg/offline"
	"github.com/tilery/tilery/pkg/offline/delta"
	"github.com/tilery/tilery/pkg/offline/offlinetest"
)

// beforeCommits calls steal before every put of a version after the first.
func beforeCommits(steal func(n int)) func(op, key string) buckettest.Fault {
	n := 0
	return func(op, key string) buckettest.Fault {
		if op == "PutIfAbsent" && strings.Contains(key, "_delta_log") && key != logKey(0) {
			n++
			steal(n)
		}
		return buckettest.None
	}
}

func TestALostRaceIsPlannedAgain(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		overwrite bool
		winner    int // the hour that another writer commits first
		winnerAt  int
		want      offline.Outcome
		version   int64
	}{
		"another window":           {true, 1, 9, offline.Committed, 2},
		"the same, read earlier":   {true, 0, 1, offline.Committed, 2},
		"the same, read later":     {true, 0, 9, offline.Superseded, 1},
		"the same, not to replace": {false, 0, 1, offline.Done, 1},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBucket(t)
			other := open(t, b, delta.Options{})
			theirs := build(t, other, hour(c.winner), readAt(c.winnerAt), rowsAt(hour(c.winner).Start))
			table := open(t, buckettest.Faulty{Bucket: b, Hook: beforeCommits(func(n int) {
				if n == 1 {
					commit(t, other, "theirs", true, theirs)
				}
			})}, delta.Options{})
			ours := build(t, table, hour(0), readAt(5), rowsAt(hour(0).Start, hour(0).End-1))
			result := commit(t, table, "ours", c.overwrite, ours)
			require.Equal(t, offline.CommitResult{Version: c.version, Outcomes: []offline.Outcome{c.want}}, result)

			audited := offlinetest.Audit(t, b, offlinetest.Spec())
			rows := map[string]int{}
			for _, r := range audited.Rows {
				rows[r.At.Floor(time.Hour).String()]++
			}
			if c.want == offline.Committed {
				require.Equal(t, 2, rows[hour(0).Start.String()], "exactly our rows")
			} else {
				require.Equal(t, map[string]int{hour(0).Start.String(): 1}, rows, "exactly their rows")
			}
		})
	}
}

func TestACommitGivesUpAfterMaxAttempts(t *testing.T) {
	t.Parallel()
	b := newBucket(t)
	other := open(t, b, delta.Options{})
	lost := 0
	table := open(t, buckettest.Faulty{Bucket: b, Hook: beforeCommits(func(n int) {
		lost = n
		commit(t, other, fmt.Sprint("theirs-", n), false, build(t, other, hour(n), readAt(1), nil))
	})}, delta.Options{MaxAttempts: 3})
	ours := build(t, table, hour(0), readAt(1), rowsAt(hour(0).Start))
	_, err := table.Commit(t.Context(), offline.Commit{ID: "ours", Builds: []offline.Build{ours}})
	require.ErrorIs(t, err, offline.ErrConflict)
	require.Equal(t, 3, lost)

	require.Equal(t, offline.Committed, commit(t, other, "ours", false, ours).Outcomes[0], "its files stay for a retry")
}

func TestOldBuildsAreStale(t *testing.T) {
	t.Parallel()
	now := time.Now()
	b := newBucket(t)
	table := open(t, b, delta.Options{Now: func() time.Time { return now }, Retention: 4 * time.Hour})
	full := build(t, table, hour(0), readAt(1), rowsAt(hour(0).Start))
	empty := build(t, table, hour(1), readAt(1), nil)
	started := now

	now = started.Add(time.Hour)
	_, err := table.Commit(t.Context(), offline.Commit{ID: "late", Builds: []offline.Build{empty, full}})
	require.ErrorIs(t, err, offline.ErrStale)
	require.Empty(t, offlinetest.Audit(t, b, offlinetest.Spec()).ReadAt, "nothing of the commit is visible")

	now = started.Add(time.Hour - time.Second)
	commit(t, table, "in time", false, full)
	now = started.Add(9 * time.Hour)
	require.Equal(t, []offline.Outcome{offline.Committed, offline.Committed}, commit(t, table, "retry", true, full, empty).Outcomes,
		"a build that was committed does not age, nor does one without files")
}

// A snapshot may be so old that the versions after it were made and cleaned away.
// A commit under the next number would then fill a hole in the past.
func TestASlowCommitReadsTheLogAgain(t *testing.T) {
	t.Parallel()
	now := time.Now()
	b := newBucket(t)
	faulty := buckettest.Faulty{Bucket: b, Hook: func(op, _ string) buckettest.Fault {
		if op == "Stat" && !exists(t, b, logKey(5)) {
			now = now.Add(2 * time.Minute)
			put(t, b, logKey(5), "{}")
		}
		return buckettest.None
	}}
	table := open(t, faulty, delta.Options{Now: func() time.Time { return now }})
	ours := build(t, table, hour(0), readAt(1), rowsAt(hour(0).Start))
	_, err := table.Commit(t.Context(), offline.Commit{ID: "slow", Builds: []offline.Build{ours}})
	require.ErrorIs(t, err, offline.ErrCorrupt)
	require.False(t, exists(t, b, logKey(1)))
}
