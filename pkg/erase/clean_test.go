package erase_test

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tilery/tilery/pkg/offline"
	"github.com/tilery/tilery/pkg/online"
)

// naming returns the objects that have one of some texts in their name or content.
func (s *scene) naming(texts ...string) (out []string) {
	s.t.Helper()
	for info, err := range s.bucket.List(s.t.Context(), "", "") {
		require.NoError(s.t, err)
		data, err := s.bucket.Get(s.t.Context(), info.Key)
		require.NoError(s.t, err)
		for _, text := range texts {
			if strings.Contains(info.Key+string(data), text) {
				out = append(out, info.Key)
				break
			}
		}
	}
	return out
}

// unnamed returns the data files that are in the bucket and that no table has.
func (s *scene) unnamed() (out []string) {
	s.t.Helper()
	live := map[string]bool{}
	for _, t := range s.targets() {
		snapshot, err := s.table(t).Snapshot(s.t.Context())
		require.NoError(s.t, err)
		for _, f := range snapshot.Files {
			live["offline/"+t.Store()+"/"+f.Path] = true
		}
	}
	for info, err := range s.bucket.List(s.t.Context(), "offline/", "") {
		require.NoError(s.t, err)
		if strings.HasSuffix(info.Key, ".parquet") && !strings.Contains(info.Key, "/_delta_log/") && !live[info.Key] {
			out = append(out, info.Key)
		}
	}
	return out
}

// The first and the last key of each file stand in its footer, in the log and in manifests.
func TestOnceOldVersionsAreCleanedNoObjectNamesAKey(t *testing.T) {
	t.Parallel()
	for _, kind := range []string{rowsByName, tilesOfLabels} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			const users = 40
			s := newFilled(t, kind, randomEvents(9, 2000, users))
			serving := s.stores().Serving
			build := s.build(serving, 1)
			_, err := s.engine.Views.SaveBuilds(t.Context(), serving, []offline.Build{build}, "an-attempt")
			require.NoError(t, err)
			s.commit(serving, build)
			erased := []int{0, 1, 7, users - 1}
			var texts []string
			for _, user := range erased {
				texts = append(texts, nameOf(user))
			}
			receipt := s.delete(both, erased...)
			require.Nil(t, receipt.VacuumedAt)
			require.NotEmpty(t, s.naming(texts...), "old versions name them")
			require.NotEmpty(t, s.unnamed())
			want := s.allContents()

			require.Zero(t, s.clean(), "it is too early")
			s.ahead.Add(int64(8 * day))
			require.Zero(t, s.clean(), "it is too early")
			s.ahead.Add(int64(day))
			require.Equal(t, 1, s.clean())
			require.Empty(t, s.naming(texts...))
			require.Empty(t, s.unnamed())
			require.Equal(t, want, s.allContents())
			require.Zero(t, s.clean(), "once")
			receipt, err = s.engine.Receipt(t.Context(), "prod", "spending", receipt.Staged.ID)
			require.NoError(t, err)
			require.WithinDuration(t, s.now(), *receipt.VacuumedAt, time.Hour)
			require.False(t, receipt.VacuumedAt.Before(*receipt.OldVersionsUntil))

			for _, t := range s.targets() {
				for item, err := range s.online.Scan(s.t.Context(), t.Store()) {
					require.NoError(s.t, err)
					require.Contains(s.t, []online.Kind{online.KindStatus}, item.Key.Kind)
				}
			}
			s.fill(serving, 0, 1, 2, 3)
			require.Contains(t, s.contents(serving).rows, s.key(1), "the store goes on")
		})
	}
}

func (s *scene) clean() int {
	s.t.Helper()
	n, err := s.engine.Clean(s.t.Context(), "prod", "spending", s.product(), nil)
	require.NoError(s.t, err)
	return n
}

func TestAStoreThatWasRemovedIsClean(t *testing.T) {
	t.Parallel()
	s := newFilled(t, rowsByName, randomEvents(9, 200, 10))
	d := s.plan(s.stage(both, 1))
	_, err := s.engine.Views.Registry.Remove(t.Context(), "prod", s.stores().Generation, []string{"spending/" + d.plan.Stores[2].Fingerprint}, s.product())
	require.NoError(t, err)
	d.erase()
	require.Zero(t, d.results[2], "there is nothing to do")
	d.finish()
	s.ahead.Add(int64(9 * day))
	require.Equal(t, 1, s.clean())
}
