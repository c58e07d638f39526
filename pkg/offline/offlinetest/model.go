package offlinetest

import (
	"maps"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/tilery/tilery/pkg/bucket"
	"github.com/tilery/tilery/pkg/offline"
	"github.com/tilery/tilery/pkg/window"
)

// testModel drives several handles on one bucket with random commits and compares
// them with a map from windows to the builds that won.
func testModel(t *testing.T, d Driver) {
	rapid.Check(t, func(rt *rapid.T) {
		m := &model{T: rt, driver: d, bucket: d.Bucket(t), winners: map[window.Time]built{}}
		for range 3 {
			table, err := d.Open(m.bucket).Open(t.Context(), Spec())
			require.NoError(rt, err)
			m.tables = append(m.tables, table)
		}
		m.ctx = t
		// Not rt.Repeat, whose runs are longer than real files in a bucket allow for.
		for range rapid.IntRange(1, 6).Draw(rt, "commits") {
			m.commit(rt)
			m.check(rt)
		}
		m.audit()
	})
}

type built struct {
	id    ID
	build offline.Build
}

type model struct {
	*rapid.T
	ctx     *testing.T
	driver  Driver
	bucket  bucket.Bucket
	tables  []offline.Table
	builds  []built
	winners map[window.Time]built
	version int64
	commits int
}

const modelWindows = 4

// drawBuild returns a new build, or one of before, committed or not. ReadAts are
// few, so that some are equal.
func (m *model) drawBuild(rt *rapid.T) built {
	if len(m.builds) > 0 && rapid.IntRange(0, 2).Draw(rt, "again") == 0 {
		return rapid.SampledFrom(m.builds).Draw(rt, "build")
	}
	b := ID{
		Window:  hour(rapid.IntRange(0, modelWindows-1).Draw(rt, "window")),
		ReadAt:  readAt(rapid.IntRange(1, 5).Draw(rt, "read at")),
		Variant: len(m.builds), // no two builds write the same rows
	}
	build, err := Write(m.ctx.Context(), rapid.SampledFrom(m.tables).Draw(rt, "table"), b.Window, b.ReadAt, RowsFor(b))
	require.NoError(rt, err)
	m.builds = append(m.builds, built{b, build})
	return m.builds[len(m.builds)-1]
}

// commit commits up to three builds, through one of the handles.
func (m *model) commit(rt *rapid.T) {
	m.commits++
	c := offline.Commit{ID: commitID(m.commits), Overwrite: rapid.Bool().Draw(rt, "overwrite")}
	var want []offline.Outcome
	winners := map[window.Time]built{}
	seen := map[window.Time]bool{}
	for range rapid.IntRange(1, 3).Draw(rt, "builds") {
		b := m.drawBuild(rt)
		if seen[b.id.Window.Start] {
			continue
		}
		seen[b.id.Window.Start] = true
		outcome, wins := m.outcome(b, c.Overwrite)
		want = append(want, outcome)
		c.Builds = append(c.Builds, b.build)
		if wins {
			winners[b.id.Window.Start] = b
		}
	}
	if len(winners) > 0 {
		m.version++
	}
	maps.Copy(m.winners, winners)
	result, err := rapid.SampledFrom(m.tables).Draw(rt, "table").Commit(m.ctx.Context(), c)
	require.NoError(rt, err)
	require.Equal(rt, want, result.Outcomes)
	require.Equal(rt, m.version, result.Version)
}

// outcome says what the contract says of a build, and whether it wins now.
func (m *model) outcome(b built, overwrite bool) (o offline.Outcome, wins bool) {
	stored, covered := m.winners[b.id.Window.Start]
	switch {
	case !covered:
		return offline.Committed, true
	case stored.id.ReadAt == b.id.ReadAt && (stored.id == b.id || stored.build.Rows+b.build.Rows == 0):
		return offline.Committed, false
	case !overwrite:
		return offline.Done, false
	case stored.id.ReadAt >= b.id.ReadAt:
		return offline.Superseded, false
	}
	return offline.Committed, true
}

func (m *model) want() (readAt map[window.Time]window.Time, rows []Row) {
	readAt = map[window.Time]window.Time{}
	for start, b := range m.winners {
		readAt[start] = b.id.ReadAt
		rows = append(rows, RowsFor(b.id)...)
	}
	sortRows(rows)
	return readAt, rows
}

// check compares what one of the handles sees.
func (m *model) check(rt *rapid.T) {
	table := rapid.SampledFrom(m.tables).Draw(rt, "table")
	snapshot, err := table.Snapshot(m.ctx.Context())
	require.NoError(rt, err)
	readAt, rows := m.want()
	require.Equal(rt, readAt, snapshot.ReadAt)
	require.Equal(rt, m.version, snapshot.Version)
	got, err := ReadRows(m.ctx.Context(), table, snapshot.Files)
	require.NoError(rt, err)
	require.Equal(rt, plain(rows), plain(got))
}

func (m *model) audit() {
	readAt, rows := m.want()
	audited := Audit(m.ctx, m.bucket, Spec())
	require.Equal(m, readAt, audited.ReadAt, "B2: coverage")
	require.Equal(m, plain(rows), plain(audited.Rows), "B2: rows")
}
