package offlinetest

import (
	"errors"
	"io"
	"testing"
	"time"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/stretchr/testify/require"

	"github.com/tilery/tilery/pkg/bucket"
	"github.com/tilery/tilery/pkg/offline"
	"github.com/tilery/tilery/pkg/window"
)

// Driver makes what the suite runs on.
type Driver struct {
	// Bucket returns an empty bucket.
	Bucket func(t testing.TB) bucket.Bucket
	// Open returns a store on the bucket, with a cache of its own. Several on one
	// bucket stand for several processes.
	Open func(b bucket.Bucket) offline.Store
}

// Run runs the suite.
func Run(t *testing.T, d Driver) {
	for _, group := range []struct {
		name string
		run  func(*testing.T, Driver)
	}{
		{"Open", testOpen},
		{"Writer", testWriter},
		{"Files", testFiles},
		{"Scan", testScan},
		{"Commit", testCommit},
		{"Append", testAppend},
		{"Erase", testErase},
		{"Views", testViews},
		{"Races", testRaces},
		{"Faults", testFaults},
		{"Maintain", testMaintain},
		{"Model", testModel},
	} {
		t.Run(group.name, func(t *testing.T) {
			t.Parallel()
			group.run(t, d)
		})
	}
}

// scene is a table in a bucket of its own.
type scene struct {
	testing.TB
	driver Driver
	bucket bucket.Bucket
	spec   offline.Spec
	table  offline.Table
	ids    int
}

func newScene(t testing.TB, d Driver) *scene {
	s := &scene{TB: t, driver: d, bucket: d.Bucket(t), spec: Spec()}
	s.table = s.open()
	return s
}

// open returns the table through a further store.
func (s *scene) open() offline.Table {
	s.Helper()
	table, err := s.driver.Open(s.bucket).Open(s.Context(), s.spec)
	require.NoError(s, err)
	return table
}

// build writes the rows of RowsFor.
func (s *scene) build(b ID) offline.Build {
	s.Helper()
	build, err := Write(s.Context(), s.table, b.Window, b.ReadAt, RowsFor(b))
	require.NoError(s, err)
	return build
}

func (s *scene) newCommit(overwrite bool, builds ...offline.Build) offline.Commit {
	s.ids++
	return offline.Commit{ID: commitID(s.ids), Job: "job", Generation: 1, Overwrite: overwrite, Builds: builds}
}

// commit commits under a new id and returns the outcomes.
func (s *scene) commit(overwrite bool, builds ...offline.Build) []offline.Outcome {
	s.Helper()
	result, err := s.table.Commit(s.Context(), s.newCommit(overwrite, builds...))
	require.NoError(s, err)
	return result.Outcomes
}

func (s *scene) snapshot() offline.Snapshot {
	s.Helper()
	snapshot, err := s.table.Snapshot(s.Context())
	require.NoError(s, err)
	return snapshot
}

// requireTable demands that the table, as seen by its driver, by a further store
// and by the auditor, holds these builds and nothing else.
func (s *scene) requireTable(winners ...ID) {
	s.Helper()
	var rows []Row
	readAt := map[window.Time]window.Time{}
	for _, b := range winners {
		rows = append(rows, RowsFor(b)...)
		readAt[b.Window.Start] = b.ReadAt
	}
	sortRows(rows)
	for _, table := range []offline.Table{s.table, s.open()} {
		snapshot, err := table.Snapshot(s.Context())
		require.NoError(s, err)
		require.Equal(s, readAt, snapshot.ReadAt)
		got, err := ReadRows(s.Context(), table, snapshot.Files)
		require.NoError(s, err)
		require.Equal(s, rows, got)
	}
	audited := Audit(s, s.bucket, s.spec)
	require.Equal(s, readAt, audited.ReadAt, "B2: coverage")
	require.Equal(s, rows, audited.Rows, "B2: rows")
}

// hour returns the n-th window of the tests.
func hour(n int) window.Interval {
	start := epoch.Add(time.Duration(n) * time.Hour)
	return window.Interval{Start: start, End: start.Add(time.Hour)}
}

// readAt returns the n-th instant at which sources are read.
func readAt(n int) window.Time {
	return epoch.Add(1000 * time.Hour).Add(time.Duration(n) * time.Second)
}

func id(hourN, readN int) ID { return ID{Window: hour(hourN), ReadAt: readAt(readN)} }

// each calls visit with the records of a reader, and closes it.
func each(r offline.Reader, visit func(arrow.Record)) (err error) {
	defer func() { err = errors.Join(err, r.Close()) }()
	for {
		rec, err := r.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		visit(rec)
	}
}
