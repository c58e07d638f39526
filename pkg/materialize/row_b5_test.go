package materialize_test

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tilery/tilery/pkg/offline"
	"github.com/tilery/tilery/pkg/online"
	"github.com/tilery/tilery/pkg/window"
)

func TestRandomHistoriesOfRowsB5(t *testing.T) {
	t.Parallel()
	for seed := range uint64(*seeds) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			t.Parallel()
			h := newHistoryOf(t, seed, newRowView(12*hour), func(s *scene) checker { return newRowModel(s) })
			for range 60 {
				h.step()
			}
			h.settle()
		})
	}
}

// rowScene is a scene of a view that stores rows, and its model.
type rowScene struct {
	*scene
	model  *rowModel
	before map[tileID]bool
	opened []string // files, by the appliers
}

func newRowScene(t testing.TB, schedule time.Duration, events *[]event) *rowScene {
	s := &rowScene{scene: newMemoryScene(t, newRowView(schedule), events), before: map[tileID]bool{}}
	s.model = newRowModel(s.scene)
	return s
}

// openedTable remembers which files are opened.
type openedTable struct {
	offline.Table
	scene *rowScene
}

func (o openedTable) Scan(ctx context.Context, f offline.File, s offline.Selection) (offline.Scanner, error) {
	o.scene.opened = append(o.scene.opened, f.Path)
	return o.Table.Scan(ctx, f, s)
}

// settle applies and checks, and returns the days whose files were opened.
func (s *rowScene) settle() (days []string) {
	s.t.Helper()
	s.opened = nil
	_, err := s.engine.Apply(s.t.Context(), s.target, openedTable{s.table, s}, nil)
	require.NoError(s.t, err)
	s.model.checkSettled(s.scene, s.before)
	for _, path := range s.opened {
		day, _, _ := strings.Cut(strings.TrimPrefix(path, "time_partition="), "/")
		days = append(days, day)
	}
	return days
}

// latest returns when the row of each user was.
func (s *rowScene) latest() map[int64]window.Time {
	status, _ := s.status()
	cells := readRowCells(s.t, s.engine.Online, s.target.CellStore(status.Epoch))
	out := map[int64]window.Time{}
	for user := range int64(10) {
		if cell, ok := cells[keyOf(user)]; ok {
			out[user] = 0 // a tombstone
			if cell.row != nil {
				out[user] = cell.row.at
			}
		}
	}
	return out
}

func at(d int) window.Time { return start.Add(time.Duration(d) * day) }

func oneDay(d int) window.Interval { return span(time.Duration(d)*day, time.Duration(d+1)*day) }

func TestAddedRowsAreComparedWithTheStoredOnesB5(t *testing.T) {
	t.Parallel()
	events := []event{visit(1, at(0), 1), visit(2, at(0), 1), visit(1, at(1), 2), visit(1, at(2), 3), visit(3, at(3), 4)}
	s := newRowScene(t, day, &events)
	for _, d := range []int{2, 0, 3} { // out of order, as a backfill may be
		s.commit(false, true, s.build(oneDay(d)))
		require.Len(t, s.settle(), 1, "only the file that was added")
	}
	s.commit(false, true, s.build(oneDay(1)))
	require.Equal(t, []string{"2001-01-05"}, s.settle())
	require.Equal(t, map[int64]window.Time{1: at(2), 2: at(0), 3: at(3)}, s.latest())
	require.Empty(t, s.settle(), "nothing new")
}

func TestRowsOfAnOverwrittenWindowVanishB5(t *testing.T) {
	t.Parallel()
	events := []event{
		visit(1, at(0), 1), visit(1, at(2), 3), // falls back to the first day
		visit(2, at(2), 3),                     // has no other row
		visit(3, at(2), 3), visit(3, at(4), 5), // has a later one
		visit(4, at(2), 3), // moves within the day
		visit(5, at(0), 1), // is not touched
		visit(6, at(1), 1),
	}
	s := newRowScene(t, day, &events)
	for d := range 5 {
		s.commit(false, true, s.build(oneDay(d)))
	}
	require.Len(t, s.settle(), 4, "days with rows")
	events = slices.DeleteFunc(events, func(e event) bool { return e.at == at(2) })
	events = append(events, visit(4, at(2).Add(hour), 9))
	s.commit(true, true, s.build(oneDay(2)))
	days := s.settle()
	require.Equal(t, map[int64]window.Time{1: at(0), 2: 0, 3: at(4), 4: at(2).Add(hour), 5: at(0), 6: at(1)}, s.latest())
	require.ElementsMatch(t, []string{"2001-01-06", "2001-01-06"}, days[:2], "what was removed and added: which keys to ask for")
	require.Equal(t, []string{"2001-01-08", "2001-01-06", "2001-01-04"}, days[2:], "the latest first; user 6 of the second day was not asked for")
	require.Equal(t, 4, len(s.snapshot().Files))
}

func TestASearchEndsWhenEveryRowIsFoundB5(t *testing.T) {
	t.Parallel()
	var events []event
	for d := range 10 {
		events = append(events, visit(1, at(d), 1), visit(2, at(d), 1))
	}
	s := newRowScene(t, day, &events)
	for d := range 10 {
		s.commit(false, true, s.build(oneDay(d)))
	}
	s.settle()
	s.commit(true, true, s.build(oneDay(3)))
	require.Equal(t, "2001-01-13", s.settle()[2])
	require.Len(t, s.opened, 3)
}

func TestRowsOfWindowsThatAreNotFollowedDoNotCountB5(t *testing.T) {
	t.Parallel()
	events := []event{visit(1, at(0), 1), visit(1, at(1), 2), visit(2, at(1), 2)}
	s := newRowScene(t, day, &events)
	s.commit(false, false, s.build(oneDay(1)))
	s.commit(false, true, s.build(oneDay(0)))
	require.Equal(t, []string{"2001-01-04"}, s.settle())
	require.Equal(t, map[int64]window.Time{1: at(0)}, s.latest())
	events[1] = visit(1, at(0).Add(hour), 3)
	s.commit(true, false, s.build(oneDay(0)))
	s.settle()
	require.Equal(t, map[int64]window.Time{1: at(0).Add(hour)}, s.latest(), "a covered window is followed all the same")
}

// Of rows of one key and time all are kept, and the greatest by content is served.
func TestRowsOfEqualTimeAreAllKeptAndTheGreatestIsServedB5(t *testing.T) {
	t.Parallel()
	events := []event{visit(1, at(0), 7), visit(1, at(0), -1), visit(1, at(0), 9), visit(1, at(0), 7)}
	s := newRowScene(t, day, &events)
	b := s.build(oneDay(0))
	require.Equal(t, int64(4), b.Rows)
	s.commit(false, true, b)
	s.settle()
	rows := readRows(t, s.target.View, s.table, s.snapshot().Files[0])
	require.True(t, slices.IsSortedFunc(rows, compareRows))
	status, _ := s.status()
	cells := readRowCells(t, s.engine.Online, s.target.CellStore(status.Epoch))
	require.Equal(t, &rows[3], cells[keyOf(1)].row)
}

// Appliers of one version may be anywhere: what each writes is right by itself.
func TestManyFilesAndKeysB5(t *testing.T) {
	t.Parallel()
	var events []event
	for user := range int64(70_000) { // more than a batch, and than a record
		events = append(events, visit(user, start.Add(time.Duration(user%70)*hour), user))
	}
	for h := range int64(70) { // of files that are walked apart
		events = append(events, visit(h%3, start.Add(time.Duration(h)*hour), h))
	}
	s := newRowScene(t, hour, &events)
	counting := &countingStore{Store: s.engine.Online}
	var builds []offline.Build
	for h := range 70 { // more files than are walked at once
		builds = append(builds, s.build(span(time.Duration(h)*hour, time.Duration(h+1)*hour)))
	}
	s.commit(false, true, builds...)
	s.engine.Online = counting
	s.settle()
	events = events[35_000:]
	builds = builds[:0]
	for h := range 5 {
		builds = append(builds, s.build(span(time.Duration(h)*hour, time.Duration(h+1)*hour)))
	}
	s.commit(true, true, builds...)
	s.settle()
	require.LessOrEqual(t, slices.Max(counting.sizes), online.MaxWrites)
}

// 300 rows of 250 kB are more than a search keeps.
func TestRowsThatDoNotFitIntoMemoryTogetherB5(t *testing.T) {
	t.Parallel()
	text := string(bytes.Repeat([]byte("x"), 250_000))
	var events []event
	for user := range int64(300) {
		events = append(events, event{user: ptr(user), at: at(0), label: &text})
	}
	s := newRowScene(t, day, &events)
	s.commit(false, true, s.build(oneDay(0)))
	s.commit(true, true, s.build(oneDay(0))) // so that the snapshot is searched
	s.settle()
}
