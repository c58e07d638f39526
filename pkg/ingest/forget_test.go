package ingest_test

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tilery/tilery/pkg/feature"
	"github.com/tilery/tilery/pkg/forget"
	"github.com/tilery/tilery/pkg/frame"
	"github.com/tilery/tilery/pkg/ingest"
	"github.com/tilery/tilery/pkg/keyset"
	"github.com/tilery/tilery/pkg/offline"
	"github.com/tilery/tilery/pkg/record"
	"github.com/tilery/tilery/pkg/window"
)

func keys(t *testing.T, user int64, shop string) *keyset.Set {
	key, err := record.AppendKey(nil, schema[:2], []feature.Value{feature.Int64Value(user), feature.StringValue(shop)})
	require.NoError(t, err)
	set, err := keyset.New([][]byte{key})
	require.NoError(t, err)
	return set
}

func (s *scene) erase(set *keyset.Set) {
	s.ids++
	_, err := s.table().Erase(s.ctx, offline.Erasure{
		ID: "erasure", Job: "test", Generation: 1, Online: true, Keys: set, Object: "deletions/keys", Fields: 2,
	})
	require.NoError(s.t, err)
}

func (s *scene) users() (out []int64) {
	for at := range s.readOffline() {
		out = append(out, at.user)
	}
	return out
}

func TestAFrameThatWasAcceptedBeforeKeysWereErasedLosesThem(t *testing.T) {
	t.Parallel()
	for name, steps := range map[string]struct {
		early func(s *scene) func() // what comes before the erasure, and returns the rest
		want  []int64
	}{
		"staged": {func(s *scene) func() {
			f := s.stage(frame.Arrow, file(t, frame.Arrow, schema, values(1, "a", now, 1), values(2, "a", now, 2)))
			return func() { ticket := s.accept(f); s.commit(ticket, s.build(ticket)) }
		}, []int64{1, 2}},
		"accepted": {func(s *scene) func() {
			ticket := s.accept(s.stage(frame.Arrow, file(t, frame.Arrow, schema, values(1, "a", now, 1), values(2, "a", now, 2))))
			return func() { s.commit(ticket, s.build(ticket)) }
		}, []int64{2}},
		"built": {func(s *scene) func() {
			ticket := s.accept(s.stage(frame.Arrow, file(t, frame.Arrow, schema, values(1, "a", now, 1), values(2, "a", now, 2))))
			built := s.build(ticket)
			return func() { s.commit(ticket, built) }
		}, []int64{2}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newScene(t)
			rest := steps.early(s)
			s.erase(keys(t, 1, "a"))
			rest()
			require.ElementsMatch(t, steps.want, s.users())
		})
	}
}

// No build of the frame could leave out what nobody knows any more.
func TestAFrameThatWasAcceptedBeforeAForgottenErasureIsRefused(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	data := file(t, frame.Arrow, schema, values(1, "a", now, 1), values(2, "a", now, 2))
	f := s.stage(frame.Arrow, data)
	ticket := s.accept(f)
	s.erase(keys(t, 1, "a"))
	for info, err := range s.bucket.List(t.Context(), "", "") { // as a vacuum does after the retention
		require.NoError(t, err)
		if strings.Contains(info.Key, "/_fences/") {
			require.NoError(t, s.bucket.Delete(t.Context(), info.Key))
		}
	}
	for _, why := range []string{"the first time", "built again"} {
		built := s.build(ticket)
		_, err := s.engine.Commit(t.Context(), ticket, built.Manifest, why, "test", now)
		require.ErrorIs(t, err, ingest.ErrRefused, why)
		require.NotErrorIs(t, err, offline.ErrStale, why)
		require.EqualError(t, err, "commit "+f.Path+": cannot ingest into clicks: keys were erased since the data frame was accepted, "+
			"and it is forgotten which: ingest it anew, from another path")
	}
	_, err := s.engine.Find(t.Context(), f.Workspace, f.Table, f.Path)
	require.NoError(t, err, "it stays staged")
	s.run(frame.Arrow, data)
	require.ElementsMatch(t, []int64{1, 2}, s.users(), "another ingest of it has the newest fence")
}

func TestRowsThatAFenceHoldsBackAreLeftOutAndCounted(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	set := keys(t, 1, "a").Hashed()
	fence := forget.Fence{
		Workspace: workspace, View: "clicks", ID: "deletion", Keys: schema[:2], Until: now, Count: 1, Digest: set.Digest(), PutAt: now,
	}
	data := file(t, frame.Arrow, schema,
		values(1, "a", now-1, 1), values(1, "b", now-1, 2), values(1, "a", now, 3), values(2, "a", now-1, 4), values(1, "a", now-1, 5))
	ticket := s.accept(s.stage(frame.Arrow, data))
	require.NoError(t, s.engine.Fences.Put(t.Context(), fence, set))
	built := s.build(ticket)
	s.commit(ticket, built)
	require.Equal(t, int64(3), built.Rows)
	require.Equal(t, int64(2), built.Forgotten)
	require.Zero(t, built.Duplicates)
	want := map[id]bool{{1, "b", now - 1}: true, {1, "a", now}: true, {2, "a", now - 1}: true}
	for at := range s.readOffline() {
		require.True(t, want[at], at)
	}
	_, err := s.engine.Fences.Lift(t.Context(), workspace, "clicks", fence.ID)
	require.NoError(t, err)
	require.Equal(t, int64(4), s.run(frame.Arrow, data).Rows)
}

func TestTimestampsOfUpToTenMinutesAfterNowAreTaken(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	s.run(frame.Arrow, file(t, frame.Arrow, schema, values(1, "a", now.Add(10*time.Minute), 1), values(1, "a", window.MinTime, 1)))
	require.Len(t, s.readOffline(), 2)
	s.engine.Options.MaxFuture = time.Hour
	s.run(frame.Arrow, file(t, frame.Arrow, schema, values(1, "a", now.Add(time.Hour), 1)))
	require.Len(t, s.readOffline(), 3)
}
