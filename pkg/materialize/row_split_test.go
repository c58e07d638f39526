package materialize_test

import (
	"fmt"
	"runtime"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tilery/tilery/pkg/materialize"
	"github.com/tilery/tilery/pkg/offline"
)

// Not parallel: it sets how many ranges of keys are read at a time.
func TestAFillInRangesOfKeysEqualsOneInOrderB5(t *testing.T) {
	const users, files = 60_000, 5
	var events []event
	for i := range int64(users * files) { // of a user one in each file at least
		events = append(events, visit(i%users, start.Add(time.Duration(i/users)*day+time.Duration(i*7919%86_400)*time.Second), i))
	}
	for i := range int64(40_000) { // of one user, in the middle of the keys: more than two records
		events = append(events, visit(users/2, at(2).Add(time.Duration(i)*time.Second), i))
	}
	s := newRowScene(t, day, &events)
	var builds []offline.Build
	for d := range files {
		builds = append(builds, s.build(oneDay(d)))
	}
	s.commit(false, true, builds...)

	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	var want map[string]rowCell
	for _, ranges := range []int{1, 2, 3, 4} {
		runtime.GOMAXPROCS(ranges)
		e, reported := s.with(newMemoryStore()), int64(0)
		result, err := e.Apply(t.Context(), s.target, s.table, func(p materialize.Progress) {
			require.Greater(t, p.Rows, reported)
			reported = p.Rows
		})
		require.NoError(t, err)
		require.Equal(t, int64(users), result.Cells, "each key once")
		require.Equal(t, result.Cells, reported)
		cells := readRowCells(t, e.Online, s.target.CellStore(result.Status.Epoch))
		if s.model.check(e.Online); want == nil {
			want = cells
		}
		require.Equal(t, want, cells, fmt.Sprint(ranges, " ranges"))
	}
}
