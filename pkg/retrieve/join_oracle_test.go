package retrieve_test

import (
	"fmt"
	"maps"
	"slices"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/tilery/tilery/pkg/bucket"
	"github.com/tilery/tilery/pkg/bucket/buckettest"
	"github.com/tilery/tilery/pkg/bucket/file"
	"github.com/tilery/tilery/pkg/offline/delta"
	"github.com/tilery/tilery/pkg/retrieve"
	"github.com/tilery/tilery/pkg/retrieve/retrievetest"
	"github.com/tilery/tilery/pkg/window"
)

// studio makes subjects whose tables share a bucket.
type studio struct {
	t       *testing.T
	bucket  bucket.Bucket
	scratch string
}

// made numbers the workspaces of subjects.
var made atomic.Int64

// newStudio keeps tables in memory.
func newStudio(t *testing.T) *studio { return studioOn(t, buckettest.NewMemory()) }

// newFileStudio keeps tables in files.
func newFileStudio(t *testing.T) *studio {
	b, err := file.Open(t.TempDir())
	require.NoError(t, err)
	return studioOn(t, b)
}

func studioOn(t *testing.T, b bucket.Bucket) *studio {
	return &studio{t: t, bucket: b, scratch: t.TempDir()}
}

func (s *studio) subject(t require.TestingT, v *retrievetest.View) *retrievetest.Subject {
	return retrievetest.NewSubject(s.t.Context(), t, s.bucket, delta.New(s.bucket, delta.Options{ScratchDir: s.scratch, RowGroupRows: 16}), s.scratch, fmt.Sprint("w", made.Add(1)), v)
}

// kindsOfView draw views that are joined in different ways.
var kindsOfView = map[string]func(*rapid.T) *retrievetest.View{
	"rows":          retrievetest.DrawRowView,
	"windows":       func(t *rapid.T) *retrievetest.View { return retrievetest.DrawTileView(t, false) },
	"secondary key": func(t *rapid.T) *retrievetest.View { return retrievetest.DrawTileView(t, true) },
}

// kindsOfTable are those of views and the feature table.
func kindsOfTable() map[string]func(*rapid.T) *retrievetest.View {
	kinds := maps.Clone(kindsOfView)
	kinds["feature table"] = retrievetest.DrawTable
	return kinds
}

// forEachKind checks a property of each kind of view, rapid.checks times.
func forEachKind(t *testing.T, property func(t *rapid.T, s *studio, v *retrievetest.View)) {
	forEachKindOf(t, kindsOfView, newStudio, property)
}

// forEachTable checks a property of what is filled and read, not built.
func forEachTable(t *testing.T, property func(t *rapid.T, s *studio, v *retrievetest.View)) {
	forEachKindOf(t, kindsOfTable(), newFileStudio, property)
}

func forEachKindOf(t *testing.T, kinds map[string]func(*rapid.T) *retrievetest.View, studio func(*testing.T) *studio, property func(t *rapid.T, s *studio, v *retrievetest.View)) {
	for name, draw := range kinds {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := studio(t)
			rapid.Check(t, func(t *rapid.T) { property(t, s, draw(t)) })
		})
	}
}

func TestEveryCellOfAJoinEqualsTheOracle(t *testing.T) {
	t.Parallel()
	forEachTable(t, func(t *rapid.T, s *studio, v *retrievetest.View) {
		subject := s.subject(t, v)
		subject.Fill(t)
		spine := retrievetest.DrawSpine(t, subject)
		options := drawOptions(t, s)
		got := retrievetest.Join(subject, options, spine, rapid.SampledFrom([]int{1, 7, 1000}).Draw(t, "record"))
		if options.MemoryBytes == 0 {
			require.True(t, slices.IsSorted(got.Order), "order of the spine")
		}
		requireCells(t, got, spine, subject)
		requireReport(t, got.Report, spine, subject)
	})
}

// requireReport requires that the report tells all time that a feature of the spine
// is made of and that is not covered, and none that is.
func requireReport(t require.TestingT, report retrieve.Report, spine []retrievetest.Ask, s *retrievetest.Subject) {
	covered := s.Target.Covered(s.Snapshot())
	var told window.Set
	for _, u := range report.Uncovered {
		require.Equal(t, s.Target.View.Name, u.View)
		told = told.Union(u.Intervals)
	}
	require.Empty(t, told.Intersect(covered))
	for _, ask := range spine {
		if !s.Known(ask) {
			continue
		}
		for _, needed := range madeOf(s.View, window.Time(ask[retrievetest.TimeColumn].(int64))) {
			missing := window.NewSet(needed).Subtract(covered)
			require.Empty(t, missing.Subtract(told), "%v", ask)
		}
	}
}

// madeOf returns intervals that features at an instant are made of: of rows the newest
// window, in which the latest row may be.
func madeOf(v *retrievetest.View, at window.Time) (out []window.Interval) {
	edge := window.Time(v.Oracle.Edge(int64(at)))
	switch {
	case !v.Aggregated():
		return []window.Interval{{Start: max(edge.Add(-v.Schedule()), v.MaterializationStart()), End: min(edge, window.MaxTime)}}
	case edge < v.CompleteEnd(v.FeatureStartTime):
		return nil
	}
	for _, w := range v.TimeWindows() {
		out = append(out, w.Intervals(edge, v.LifetimeStart())...)
	}
	return out
}

func drawOptions(t *rapid.T, s *studio) retrieve.Options {
	return retrieve.Options{
		MemoryBytes: rapid.SampledFrom([]int64{0, 64 << 10}).Draw(t, "memory"),
		Threads:     rapid.SampledFrom([]int{1, 3}).Draw(t, "threads"),
		ScratchDir:  s.scratch,
	}
}

// requireCells compares each cell of a join with what the oracle tells of its subjects.
func requireCells(t require.TestingT, got retrievetest.Joined, spine []retrievetest.Ask, subjects ...*retrievetest.Subject) {
	for i, ask := range spine {
		column := 0
		for _, subject := range subjects {
			for _, want := range subject.Want(ask) {
				if cell := got.Cells[i][column]; cell != want {
					require.FailNow(t, "wrong cell", "row %d, %v: %s is %v, want %v", i, ask, got.Columns[column], cell, want)
				}
				column++
			}
		}
		require.Equal(t, len(got.Cells[i]), column)
	}
}
