package delta_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/tilery/tilery/pkg/bucket"
	"github.com/tilery/tilery/pkg/bucket/buckettest"
	"github.com/tilery/tilery/pkg/offline"
	"github.com/tilery/tilery/pkg/offline/delta"
	"github.com/tilery/tilery/pkg/offline/offlinetest"
	"github.com/tilery/tilery/pkg/window"
)

// archive is a bucket that keeps the versions that are deleted from a log, so that
// an audit can read all of it.
type archive struct {
	bucket.Bucket
	mu      sync.Mutex
	deleted map[string][]byte
}

func newArchive(b bucket.Bucket) *archive { return &archive{Bucket: b, deleted: map[string][]byte{}} }

func (a *archive) Delete(ctx context.Context, key string) error {
	if strings.Contains(key, "/_delta_log/") && strings.HasSuffix(key, ".json") {
		data, err := a.Get(ctx, key)
		if err != nil && !errors.Is(err, bucket.ErrNotFound) {
			return err
		}
		if err == nil {
			a.mu.Lock()
			a.deleted[key] = data
			a.mu.Unlock()
		}
	}
	return a.Bucket.Delete(ctx, key)
}

// whole returns the bucket as if no version had been deleted.
func (a *archive) whole(t testing.TB) bucket.Bucket {
	b, err := buckettest.MemoryOf(t.Context(), a.Bucket)
	require.NoError(t, err)
	for key, data := range a.deleted {
		require.NoError(t, b.Put(t.Context(), key, data))
	}
	return b
}

// dated is a bucket whose objects have the times of a test's clock.
type dated struct {
	bucket.Bucket
	now   func() time.Time
	mu    sync.Mutex
	times map[string]time.Time
}

func (d *dated) made(key string, err error) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if err == nil {
		d.times[key] = d.now()
	}
	return err
}

func (d *dated) date(info bucket.Info) bucket.Info {
	d.mu.Lock()
	defer d.mu.Unlock()
	info.ModTime = d.times[info.Key]
	return info
}

func (d *dated) Put(ctx context.Context, key string, data []byte) error {
	return d.made(key, d.Bucket.Put(ctx, key, data))
}

func (d *dated) PutIfAbsent(ctx context.Context, key string, data []byte) error {
	return d.made(key, d.Bucket.PutIfAbsent(ctx, key, data))
}

func (d *dated) Create(ctx context.Context, key string) (bucket.Writer, error) {
	w, err := d.Bucket.Create(ctx, key)
	return w, d.made(key, err)
}

func (d *dated) Stat(ctx context.Context, key string) (bucket.Info, error) {
	info, err := d.Bucket.Stat(ctx, key)
	return d.date(info), err
}

func (d *dated) List(ctx context.Context, prefix, after string) iter.Seq2[bucket.Info, error] {
	return func(yield func(bucket.Info, error) bool) {
		for info, err := range d.Bucket.List(ctx, prefix, after) {
			if !yield(d.date(info), err) {
				return
			}
		}
	}
}

// modelRetention is that of the default options.
const modelRetention = 7 * days

// modelBuild is a build that may be committed, also more than once.
type modelBuild struct {
	id    offlinetest.ID
	build offline.Build
	made  time.Time
}

// held is a snapshot that somebody still reads.
type held struct {
	table    offline.Table
	snapshot offline.Snapshot
	rows     []offlinetest.Row
	at       time.Time
}

// maintained is a table beside a map of what it must hold.
type maintained struct {
	*rapid.T
	ctx     *testing.T
	clock   *clock
	bucket  *archive
	tables  []offline.Table
	builds  []modelBuild
	winners map[window.Time]modelBuild
	held    []held
	ids     int
	kept    bool // the log is whole
}

func (m *maintained) open() offline.Table {
	table, err := delta.New(m.bucket, m.clock.options()).Open(m.ctx.Context(), offlinetest.Spec())
	require.NoError(m, err)
	return table
}

func (m *maintained) table() offline.Table { return rapid.SampledFrom(m.tables).Draw(m.T, "table") }

func (m *maintained) id() string {
	m.ids++
	return fmt.Sprint("call ", m.ids)
}

func (m *maintained) draw() modelBuild {
	if len(m.builds) == 0 || rapid.IntRange(0, 2).Draw(m.T, "new") == 0 {
		m.build()
		return m.builds[len(m.builds)-1]
	}
	return rapid.SampledFrom(m.builds).Draw(m.T, "build")
}

// build makes a build for a commit to come, soon or late.
func (m *maintained) build() {
	id := offlinetest.ID{
		Window:  hour(rapid.IntRange(9, 14).Draw(m.T, "window")), // about midnight
		ReadAt:  readAt(rapid.IntRange(1, 20).Draw(m.T, "read at")),
		Variant: len(m.builds),
	}
	b, err := offlinetest.Write(m.ctx.Context(), m.table(), id.Window, id.ReadAt, offlinetest.RowsFor(id))
	require.NoError(m, err)
	m.builds = append(m.builds, modelBuild{id, b, m.clock.now()})
}

// commit commits one build. Its outcome is the contract's, but for one thing: of two
// builds read at one instant a table that has forgotten which won says neither.
func (m *maintained) commit() {
	b := m.draw()
	overwrite := rapid.Bool().Draw(m.T, "overwrite")
	won, covered := m.winners[b.id.Window.Start]
	result, err := m.table().Commit(m.ctx.Context(), offline.Commit{ID: m.id(), Overwrite: overwrite, Builds: []offline.Build{b.build}})
	if wins := !covered || overwrite && b.id.ReadAt > won.id.ReadAt; wins {
		if len(b.build.Files) > 0 && m.clock.now().Sub(b.made) >= modelRetention/4 {
			require.ErrorIs(m, err, offline.ErrStale)
			return
		}
		require.NoError(m, err)
		require.Equal(m, []offline.Outcome{offline.Committed}, result.Outcomes)
		m.winners[b.id.Window.Start] = b
		return
	}
	require.NoError(m, err)
	want := offline.Done
	if overwrite {
		want = offline.Superseded
	}
	same := b.id.ReadAt == won.id.ReadAt && (b.id == won.id || b.build.Rows+won.build.Rows == 0)
	if !same || result.Outcomes[0] != offline.Committed {
		require.Equal(m, []offline.Outcome{want}, result.Outcomes)
	}
}

func (m *maintained) compact() {
	_, err := m.table().Compact(m.ctx.Context(), offline.CompactRequest{
		ID: m.id(), MinFiles: rapid.IntRange(2, 4).Draw(m.T, "files"), MaxBytes: rapid.Int64Range(1, 20_000).Draw(m.T, "bytes"),
	})
	require.NoError(m, err)
}

func (m *maintained) vacuum() {
	_, err := m.table().Vacuum(m.ctx.Context(), offline.VacuumRequest{ID: m.id(), MaxFiles: rapid.IntRange(1, 20).Draw(m.T, "files")})
	require.NoError(m, err)
}

func (m *maintained) checkpoint() {
	_, err := m.table().Checkpoint(m.ctx.Context(), int64(rapid.IntRange(1, 4).Draw(m.T, "every")))
	require.NoError(m, err)
}

func (m *maintained) clean() {
	m.kept = false
	_, err := m.table().CleanLog(m.ctx.Context(), time.Duration(rapid.IntRange(1, 48).Draw(m.T, "keep"))*time.Hour)
	require.NoError(m, err)
}

func (m *maintained) pass() {
	m.clock.pass(time.Duration(rapid.IntRange(1, 100).Draw(m.T, "hours")) * time.Hour)
}

func (m *maintained) reopen() {
	m.tables[rapid.IntRange(0, len(m.tables)-1).Draw(m.T, "handle")] = m.open()
}

// want returns the coverage and the rows.
func (m *maintained) want() (covered coverage, rows []offlinetest.Row) {
	w := &world{rows: map[content][]offlinetest.Row{}}
	covered = coverage{}
	for start, b := range m.winners {
		covered[start] = b.id.ReadAt
		w.rows[content{start, b.id.ReadAt}] = offlinetest.RowsFor(b.id)
	}
	return covered, w.rowsOf(covered)
}

// check compares a handle with the model, and reads the newest snapshot and one of before.
func (m *maintained) check() {
	table := m.table()
	s, err := table.Snapshot(m.ctx.Context())
	require.NoError(m, err)
	covered, rows := m.want()
	require.Equal(m, covered, s.ReadAt)
	m.held = append(m.held, held{table, s, rows, m.clock.now()})
	for _, i := range []int{len(m.held) - 1, rapid.IntRange(0, len(m.held)-1).Draw(m.T, "held")} {
		h := m.held[i]
		if m.clock.now().Sub(h.at) >= modelRetention {
			continue
		}
		got, err := offlinetest.ReadRows(m.ctx.Context(), h.table, h.snapshot.Files)
		require.NoError(m, err, "version %d, read after %v", h.snapshot.Version, m.clock.now().Sub(h.at))
		require.Equal(m, h.rows, got)
	}
	before := rapid.SampledFrom(m.held).Draw(m.T, "before").snapshot
	then, err := table.SnapshotAt(m.ctx.Context(), before.Version)
	if m.kept || !errors.Is(err, offline.ErrHistoryGone) {
		require.NoError(m, err)
		require.Equal(m, before, then)
	}
	changes, err := table.Changes(m.ctx.Context(), 0, s.Version)
	if m.kept || !errors.Is(err, offline.ErrHistoryGone) {
		require.NoError(m, err)
		require.Equal(m, s.Files, folded(changes))
	}
}

func TestATableUnderMaintenanceEqualsAMap(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		now := newClock()
		m := &maintained{T: rt, ctx: t, clock: now, winners: map[window.Time]modelBuild{}, kept: true}
		m.bucket = newArchive(&dated{Bucket: buckettest.NewMemory(), now: now.now, times: map[string]time.Time{}})
		for range 3 {
			m.tables = append(m.tables, m.open())
		}
		acts := []func(){m.build, m.build, m.commit, m.commit, m.commit, m.compact, m.compact, m.vacuum, m.checkpoint, m.clean, m.pass, m.reopen}
		for range rapid.IntRange(1, 20).Draw(rt, "steps") {
			acts[rapid.IntRange(0, len(acts)-1).Draw(rt, "act")]()
			m.check()
		}
		audited := offlinetest.Audit(t, m.bucket.whole(t), offlinetest.Spec())
		covered, rows := m.want()
		require.Equal(rt, covered, audited.ReadAt)
		require.Equal(rt, rows, audited.Rows)
	})
}
