package ingest_test

import (
	"bytes"
	"errors"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tilery/tilery/pkg/bucket/buckettest"
	"github.com/tilery/tilery/pkg/feature"
	"github.com/tilery/tilery/pkg/frame"
	"github.com/tilery/tilery/pkg/ingest"
	"github.com/tilery/tilery/pkg/offline"
	"github.com/tilery/tilery/pkg/registry"
)

// good is a frame of one row.
const good = header + "1,a,2001-01-01,1,0.5,x,[1]\n"

func TestAFrameIsFoundWhereItWasStaged(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	path, err := s.engine.Reserve(t.Context(), workspace, "clicks")
	require.NoError(t, err)
	_, err = s.engine.Find(t.Context(), workspace, "clicks", path)
	require.ErrorIs(t, err, ingest.ErrNotFound)
	require.ErrorContains(t, err, "nothing was uploaded to "+path)

	staged, err := s.engine.Stage(t.Context(), path, frame.CSV, strings.NewReader(good))
	require.NoError(t, err)
	require.Equal(t, int64(len(good)), staged.Bytes)
	found, err := s.engine.Find(t.Context(), workspace, "clicks", path)
	require.NoError(t, err)
	require.Equal(t, staged, found)
	require.Len(t, found.ID(), 26)

	again, err := s.engine.Stage(t.Context(), path, frame.Arrow, bytes.NewReader(file(t, frame.Arrow, schema)))
	require.NoError(t, err)
	found, err = s.engine.Find(t.Context(), workspace, "clicks", path)
	require.NoError(t, err)
	require.Equal(t, again, found, "the newest counts")

	s.accept(found)
	_, err = s.engine.Stage(t.Context(), path, frame.CSV, strings.NewReader(good))
	require.ErrorIs(t, err, ingest.ErrRefused)
	require.ErrorContains(t, err, "it was accepted already: reserve another path")
}

func TestPathsThatWereNotGivenOutForTheTableAreNotFound(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	f := s.stage(frame.CSV, []byte(good))
	for _, path := range []string{
		"", "/", f.Path + "/", f.Path + "/frame-", f.Object, strings.ToLower(f.Path), "/" + f.Path,
		strings.Replace(f.Path, "clicks", "..", 1), strings.Replace(f.Path, "frames", "order", 1), strings.Replace(f.Path, "ingest/", "registry/", 1),
		f.Path[:len(f.Path)-26] + "../frames/" + f.Path[len(f.Path)-26:], f.Path + "\n", strings.Repeat("x", 10_000),
		"ingest/prod/visits/frames/" + f.ID(), "ingest/dev/clicks/frames/" + f.ID(),
	} {
		_, err := s.engine.Find(t.Context(), workspace, "clicks", path)
		require.ErrorIs(t, err, ingest.ErrNotFound, path)
		other := f
		other.Path = path
		_, err = s.engine.Accept(t.Context(), other, now)
		require.ErrorIs(t, err, ingest.ErrNotFound, path)
		require.ErrorIs(t, s.engine.Discard(t.Context(), other), ingest.ErrNotFound, path)
		if !strings.HasPrefix(path, "ingest/dev") {
			_, err = s.engine.Stage(t.Context(), path, frame.CSV, strings.NewReader(good))
			require.ErrorIs(t, err, ingest.ErrNotFound, path)
		}
	}
	_, err := s.engine.Find(t.Context(), workspace, "clicks", f.Path)
	require.NoError(t, err)
}

func TestWhatIsNoFeatureTableOfALiveWorkspaceIsRefused(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	_, err := s.engine.Reserve(t.Context(), "dev", "clicks")
	require.ErrorIs(t, err, ingest.ErrRefused)
	require.EqualError(t, err, "cannot ingest into clicks: workspace dev is a development workspace, in which nothing is stored")
	_, err = s.engine.Reserve(t.Context(), workspace, "visits")
	require.ErrorIs(t, err, registry.ErrNotFound)
	_, err = s.engine.Reserve(t.Context(), "Not a name", "clicks")
	require.ErrorIs(t, err, registry.ErrWorkspace)

	r := repository("clicks")
	r.FeatureTables[0].Online, r.FeatureTables[0].Offline = false, false
	r.BatchFeatureViews = []feature.BatchFeatureView{{
		Metadata: feature.Metadata{Name: "visits"}, Entities: []string{"user"}, Mode: "sql", Transformation: "SELECT 1", TimestampField: "ts",
		Schema: schema, BatchSchedule: feature.Duration(time.Hour), FeatureStartTime: now, Offline: true,
	}}
	_, err = registry.New(s.bucket).Apply(t.Context(), workspace, 1, r, now)
	require.NoError(t, err)
	for name, want := range map[string]string{
		"visits": "cannot ingest into visits: it is a feature view, whose rows come from its sources",
		"clicks": "cannot ingest into clicks: it has offline: false, so there is no store to write to",
	} {
		_, err = s.engine.Reserve(t.Context(), workspace, name)
		require.ErrorIs(t, err, ingest.ErrRefused)
		require.EqualError(t, err, want)
	}
}

func TestAFrameIsNotIngestedIntoATableThatChangedSince(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	ticket := s.accept(s.stage(frame.CSV, []byte(good)))
	built := s.build(ticket)
	apply := func(base int64, r feature.Repository) {
		_, err := registry.New(s.bucket).Apply(t.Context(), workspace, base, r, now)
		require.NoError(t, err)
	}
	refused := func(want string) {
		_, err := s.engine.Build(t.Context(), s.request(ticket))
		require.ErrorIs(t, err, ingest.ErrRefused)
		require.EqualError(t, err, want)
		_, err = s.engine.Commit(t.Context(), ticket, built.Manifest, "late", "test", now)
		require.ErrorIs(t, err, ingest.ErrRefused)
		require.EqualError(t, err, want)
	}
	changed := repository("clicks")
	changed.FeatureTables[0].Schema = schema[:len(schema)-1]
	apply(1, changed)
	refused("cannot ingest into clicks: its definition was changed since the data frame was accepted, by generation 1: ingest it again")
	apply(2, feature.Repository{})
	refused("cannot ingest into clicks: it was removed since the data frame was accepted")
}

func TestUploadsAreBounded(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	s.engine.Options.FrameBytes = int64(len(good))
	f := s.stage(frame.CSV, []byte(good))
	objects := s.objects()
	_, err := s.engine.Stage(t.Context(), f.Path, frame.CSV, strings.NewReader(good+"\n"))
	require.ErrorIs(t, err, ingest.ErrTooLarge)
	broken := errors.New("connection reset")
	_, err = s.engine.Stage(t.Context(), f.Path, frame.CSV, iotest.ErrReader(broken))
	require.ErrorIs(t, err, broken)
	require.Equal(t, objects, s.objects())
	for range 15 {
		_, err = s.engine.Stage(t.Context(), f.Path, frame.CSV, strings.NewReader(good))
		require.NoError(t, err)
	}
	_, err = s.engine.Stage(t.Context(), f.Path, frame.CSV, strings.NewReader(good))
	require.ErrorIs(t, err, ingest.ErrRefused)
	require.ErrorContains(t, err, "it was staged 16 times: reserve another path")
}

func TestWhatWasDiscardedIsGoneAndWhatWasCommittedStays(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	f := s.stage(frame.CSV, []byte(good))
	ticket := s.accept(f)
	built := s.build(ticket)
	require.Equal(t, offline.Committed, s.commit(ticket, built))
	rows := s.readOffline()
	require.Len(t, rows, 1)
	for range 2 {
		require.NoError(t, s.engine.Discard(t.Context(), f))
		require.Equal(t, 1, strings.Count(s.objects(), f.Path), "the ticket")
	}
	require.Equal(t, rows, s.readOffline())

	_, err := s.engine.Find(t.Context(), f.Workspace, f.Table, f.Path)
	require.ErrorIs(t, err, ingest.ErrNotFound)
	_, err = s.engine.Stage(t.Context(), f.Path, frame.CSV, strings.NewReader(good))
	require.EqualError(t, err, "cannot ingest "+f.Path+": it was accepted already: reserve another path")
	_, err = s.engine.Build(t.Context(), s.request(ticket))
	require.ErrorIs(t, err, ingest.ErrNotFound)
	_, err = s.engine.Commit(t.Context(), ticket, built.Manifest, "late", "test", now)
	require.ErrorIs(t, err, offline.ErrStale)
	require.Equal(t, 1, strings.Count(s.objects(), f.Path), "nobody made it again")

	_, err = s.engine.Sweep(t.Context(), f.Workspace, time.Now().Add(time.Hour))
	require.NoError(t, err)
	require.NotContains(t, s.objects(), f.Path)
	again, err := s.engine.Stage(t.Context(), f.Path, frame.CSV, strings.NewReader(good))
	require.NoError(t, err)
	ticket = s.accept(again)
	require.Equal(t, offline.Committed, s.commit(ticket, s.build(ticket)), "another frame at an old path")
}

func TestAFrameIsCommittedOnce(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	ticket := s.accept(s.stage(frame.CSV, []byte(good)))
	first, second := s.build(ticket), s.build(ticket)
	require.NotEqual(t, first.Manifest, second.Manifest)
	require.Equal(t, offline.Committed, s.commit(ticket, first))
	require.Equal(t, offline.Done, s.commit(ticket, second))
	snapshot, err := s.table().Snapshot(t.Context())
	require.NoError(t, err)
	require.Len(t, snapshot.Files, 1)
	other := s.accept(s.stage(frame.CSV, []byte(good)))
	_, err = s.engine.Commit(t.Context(), other, first.Manifest, "mixed", "test", now)
	require.ErrorContains(t, err, "is of ingest "+ticket.ID()+"-1")
}

func TestAnAttemptThatIsRepeatedReturnsWhatItBuilt(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	r := s.request(s.accept(s.stage(frame.CSV, []byte(good))))
	first, err := s.engine.Build(t.Context(), r)
	require.NoError(t, err)
	objects := s.objects()
	second, err := s.engine.Build(t.Context(), r)
	require.NoError(t, err)
	require.Equal(t, first, second)
	require.Equal(t, objects, s.objects())
}

func TestAFrameWithoutRowsIsIngested(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	for _, format := range []frame.Format{frame.CSV, frame.Parquet, frame.Arrow} {
		built := s.run(format, file(t, format, schema))
		require.Equal(t, ingest.Built{Manifest: built.Manifest}, built)
	}
	require.Empty(t, s.readOffline())
}

func TestColumnsThatTheTableDoesNotHaveAreNamed(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	built := s.run(frame.CSV, []byte("note,ts,user,shop,n,amount,label,tags,other\n\xff,2001-01-01,1,a,1,0.5,x,[1],y\n"))
	require.Equal(t, []string{"note", "other"}, built.Dropped)
	require.Equal(t, int64(1), built.Rows)
}

func TestSweepRemovesWhatIsOldAndKeepsTheOrder(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	r := repository("clicks")
	r.FeatureTables = append(r.FeatureTables, repository("order").FeatureTables...) // named as a folder is
	_, err := registry.New(s.bucket).Apply(t.Context(), workspace, 1, r, now)
	require.NoError(t, err)
	var last ingest.Ticket
	for range 3 {
		s.name = "order"
		s.stage(frame.CSV, []byte(good))
		s.accept(s.stage(frame.CSV, []byte(good)))
		s.name = "clicks"
		last = s.accept(s.stage(frame.CSV, []byte(good)))
	}
	s.build(last)
	removed, err := s.engine.Sweep(t.Context(), workspace, time.Now().Add(-time.Hour))
	require.NoError(t, err)
	require.Zero(t, removed)
	removed, err = s.engine.Sweep(t.Context(), "dev", time.Now().Add(time.Hour))
	require.NoError(t, err)
	require.Zero(t, removed)

	removed, err = s.engine.Sweep(t.Context(), workspace, time.Now().Add(time.Hour))
	require.NoError(t, err)
	require.Equal(t, int64(9), removed)
	require.NotContains(t, s.objects(), "/frames/")
	require.Equal(t, 2, strings.Count(s.objects(), "/order/9223372036854775804.json"), "the newest of each table")
	require.Equal(t, 2, strings.Count("\n"+s.objects(), "\ningest/"))
	require.Equal(t, last.Sequence+1, s.accept(s.stage(frame.CSV, []byte(good))).Sequence)
	_, err = s.engine.Sweep(t.Context(), "..", time.Now())
	require.ErrorIs(t, err, registry.ErrWorkspace)
}

func TestStepsWhoseAnswersAreLostAreRepeated(t *testing.T) {
	t.Parallel()
	store := newOnline(t)
	for lost, calls := 1, 1; lost <= calls; lost++ {
		s := newSceneOf(t, t.Context(), store, t.TempDir(), "clicks")
		calls = 0
		s.engine = s.over(buckettest.Faulty{Bucket: s.bucket, Hook: func(string, string) buckettest.Fault {
			if calls++; calls == lost {
				return buckettest.LostAnswer
			}
			return buckettest.None
		}})
		f := s.stageRetrying([]byte(good))
		s.retry(func() error { _, err := s.engine.Accept(t.Context(), f, now); return err })
		var r ingest.BuildRequest
		s.retry(func() error {
			ticket, err := s.engine.Accept(t.Context(), f, now)
			r = s.request(ticket)
			return err
		})
		var built ingest.Built
		for range 2 {
			s.retry(func() (err error) { built, err = s.engine.Build(t.Context(), r); return err })
		}
		s.retry(func() error {
			_, err := s.engine.Commit(t.Context(), r.Ticket, built.Manifest, "commit", "test", now)
			return err
		})
		s.retry(func() error { return s.engine.Discard(t.Context(), f) })
		s.engine = s.over(s.bucket)
		require.Len(t, s.readOffline(), 1)
		require.Equal(t, 1, strings.Count(s.objects(), f.Path), "the ticket")
		snapshot, err := s.table().Snapshot(t.Context())
		require.NoError(t, err)
		require.Len(t, snapshot.Files, 1)
	}
}

// retry repeats a step once.
func (s *scene) retry(step func() error) {
	if step() != nil {
		require.NoError(s.t, step())
	}
}

func (s *scene) stageRetrying(data []byte) (f ingest.Frame) {
	s.retry(func() error {
		path, err := s.engine.Reserve(s.ctx, workspace, s.name)
		if err == nil {
			f, err = s.engine.Stage(s.ctx, path, frame.CSV, bytes.NewReader(data))
		}
		return err
	})
	return f
}
