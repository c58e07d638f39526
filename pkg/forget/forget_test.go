package forget_test

import (
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tilery/tilery/pkg/bucket"
	"github.com/tilery/tilery/pkg/bucket/buckettest"
	"github.com/tilery/tilery/pkg/feature"
	"github.com/tilery/tilery/pkg/forget"
	"github.com/tilery/tilery/pkg/keyset"
	"github.com/tilery/tilery/pkg/window"
)

var (
	users = []feature.Field{{Name: "user", Type: feature.String}}
	noon  = window.FromTime(time.Date(2001, 1, 4, 12, 0, 0, 0, time.UTC))
)

func key(i int) []byte { return fmt.Appendf(nil, "key-%d", i) }

func keysOf(t *testing.T, from, to int) *keyset.Hashed {
	t.Helper()
	var keys [][]byte
	for i := range to - from {
		keys = append(keys, key(from+i))
	}
	set, err := keyset.New(keys)
	require.NoError(t, err)
	return set.Hashed()
}

func fence(id string, until window.Time) forget.Fence {
	return forget.Fence{Workspace: "prod", View: "spending", ID: id, Keys: users, Until: until}
}

func load(t *testing.T, s *forget.Store) *forget.Filter {
	t.Helper()
	f, err := s.Load(t.Context(), "prod", "spending", users)
	require.NoError(t, err)
	return f
}

func TestRowsOfAFencesKeysBeforeItsTimeAreHeldBackUntilItIsLifted(t *testing.T) {
	t.Parallel()
	b := buckettest.NewMemory()
	s, other := &forget.Store{Bucket: b}, &forget.Store{Bucket: b}
	require.Nil(t, load(t, s))
	require.False(t, load(t, s).Drops(key(1), window.MinTime))
	require.NoError(t, s.Put(t.Context(), fence("a", noon), keysOf(t, 0, 3)))
	require.NoError(t, s.Put(t.Context(), fence("b", noon.Add(time.Hour)), keysOf(t, 2, 4)))
	for _, s := range []*forget.Store{s, other} {
		f := load(t, s)
		require.True(t, f.Drops(key(1), noon-1))
		require.True(t, f.Drops(key(1), window.MinTime))
		require.False(t, f.Drops(key(1), noon))
		require.True(t, f.Drops(key(2), noon), "of two fences the later counts")
		require.True(t, f.Drops(key(3), noon))
		require.False(t, f.Drops(key(3), noon.Add(time.Hour)))
		require.False(t, f.Drops(key(4), noon-1))
	}
	lifted, err := s.Lift(t.Context(), "prod", "spending", "b")
	require.NoError(t, err)
	require.Equal(t, 2, lifted.Count)
	for _, s := range []*forget.Store{s, other} {
		f := load(t, s)
		require.True(t, f.Drops(key(2), noon-1))
		require.False(t, f.Drops(key(2), noon))
		require.False(t, f.Drops(key(3), noon-1))
	}
	_, err = s.Lift(t.Context(), "prod", "spending", "b")
	require.ErrorIs(t, err, forget.ErrNotFound)
	_, err = s.Lift(t.Context(), "prod", "spending", "../a")
	require.ErrorIs(t, err, forget.ErrNotFound)
	_, err = s.Lift(t.Context(), "prod", "spending", "a")
	require.NoError(t, err)
	require.Nil(t, load(t, other))
	for info, err := range b.List(t.Context(), "", "") {
		require.NoError(t, err)
		require.Fail(t, "left", info.Key)
	}
}

func TestAFenceHoldsBackOnlyItsOwnViewWithItsOwnJoinKeys(t *testing.T) {
	t.Parallel()
	s := &forget.Store{Bucket: buckettest.NewMemory()}
	require.NoError(t, s.Put(t.Context(), fence("a", noon), keysOf(t, 0, 3)))
	for _, keys := range [][]feature.Field{
		nil, {{Name: "user", Type: feature.Int64}}, {{Name: "shop", Type: feature.String}}, append(users, users...),
	} {
		f, err := s.Load(t.Context(), "prod", "spending", keys)
		require.NoError(t, err)
		require.Nil(t, f)
	}
	for _, name := range [][2]string{{"prod", "spendings"}, {"prod", "spend"}, {"dev", "spending"}} {
		f, err := s.Load(t.Context(), name[0], name[1], users)
		require.NoError(t, err)
		require.Nil(t, f)
	}
	require.NotNil(t, load(t, s))
	_, err := s.Load(t.Context(), "prod/spending", "x", users)
	require.Error(t, err)
}

func TestAFenceIsPutOnce(t *testing.T) {
	t.Parallel()
	s := &forget.Store{Bucket: buckettest.NewMemory()}
	require.NoError(t, s.Put(t.Context(), fence("b", noon), keysOf(t, 0, 3)))
	before, err := s.List(t.Context(), "prod", "spending")
	require.NoError(t, err)
	require.NoError(t, s.Put(t.Context(), fence("b", noon), keysOf(t, 0, 3)))
	require.NoError(t, s.Put(t.Context(), fence("a", noon), keysOf(t, 0, 3)))
	require.ErrorContains(t, s.Put(t.Context(), fence("b", noon), keysOf(t, 0, 4)), "with other keys or another time")
	require.ErrorContains(t, s.Put(t.Context(), fence("b", noon+1), keysOf(t, 0, 3)), "with other keys or another time")
	after, err := s.List(t.Context(), "prod", "spending")
	require.NoError(t, err)
	require.Len(t, after, 2)
	require.Equal(t, before[0], after[0], "the oldest first")
	require.Equal(t, users, after[0].Keys)
	require.Equal(t, keysOf(t, 0, 3).Digest(), after[0].Digest)
}

func TestAPutOrLiftThatFailsAtAnyStepCanBeRepeated(t *testing.T) {
	t.Parallel()
	for _, fault := range []buckettest.Fault{buckettest.Refused, buckettest.LostAnswer} {
		for step := range 12 {
			b := buckettest.NewMemory()
			calls := 0
			s := &forget.Store{Bucket: buckettest.Faulty{Bucket: b, Hook: func(string, string) buckettest.Fault {
				if calls++; calls == step+1 {
					return fault
				}
				return buckettest.None
			}}}
			if s.Put(t.Context(), fence("a", noon), keysOf(t, 0, 3)) != nil {
				require.NoError(t, s.Put(t.Context(), fence("a", noon), keysOf(t, 0, 3)))
			}
			require.True(t, load(t, &forget.Store{Bucket: b}).Drops(key(1), noon-1))
			if _, err := s.Lift(t.Context(), "prod", "spending", "a"); err != nil {
				if _, err := s.Lift(t.Context(), "prod", "spending", "a"); err != nil {
					require.ErrorIs(t, err, forget.ErrNotFound)
				}
			}
			require.Nil(t, load(t, &forget.Store{Bucket: b}))
			_, err := (&forget.Store{Bucket: b}).Sweep(t.Context(), "prod", time.Now().Add(time.Hour), none)
			require.NoError(t, err)
			for info, err := range b.List(t.Context(), "", "") {
				require.NoError(t, err)
				require.Fail(t, "left", info.Key)
			}
		}
	}
}

// none is an orphan.
func none(string, string) (bool, error) { return false, nil }

func TestSweepLeavesFencesAndWhatIsYoung(t *testing.T) {
	t.Parallel()
	b := buckettest.NewMemory()
	s := &forget.Store{Bucket: b}
	for _, id := range []string{"a", "b", "c"} {
		require.NoError(t, s.Put(t.Context(), fence(id, noon), keysOf(t, 0, 3)))
	}
	require.NoError(t, b.Delete(t.Context(), "forget/prod/spending/b.json"))
	removed, err := s.Sweep(t.Context(), "prod", time.Now().Add(-time.Hour), none)
	require.NoError(t, err)
	require.Zero(t, removed)
	removed, err = s.Sweep(t.Context(), "prod", time.Now().Add(time.Hour), none)
	require.NoError(t, err)
	require.Equal(t, int64(1), removed)
	require.True(t, load(t, s).Drops(key(1), noon-1))
}

func TestSweepRemovesOldOrphans(t *testing.T) {
	t.Parallel()
	b := buckettest.NewMemory()
	s := &forget.Store{Bucket: b}
	for _, id := range []string{"a", "b"} {
		require.NoError(t, s.Put(t.Context(), fence(id, noon), keysOf(t, 0, 3)))
	}
	orphaned := func(view, id string) (bool, error) { return view == "spending" && id == "b", nil }
	removed, err := s.Sweep(t.Context(), "prod", time.Now().Add(-time.Hour), orphaned)
	require.NoError(t, err)
	require.Zero(t, removed, "it is young")
	removed, err = s.Sweep(t.Context(), "prod", time.Now().Add(time.Hour), orphaned)
	require.NoError(t, err)
	require.Equal(t, int64(2), removed, "the document and its hashes")
	left, err := s.List(t.Context(), "prod", "spending")
	require.NoError(t, err)
	require.Len(t, left, 1)
	require.Equal(t, "a", left[0].ID)
	require.True(t, load(t, s).Drops(key(1), noon-1))

	unknown := errors.New("cannot tell")
	_, err = s.Sweep(t.Context(), "prod", time.Now().Add(time.Hour), func(string, string) (bool, error) { return true, unknown })
	require.ErrorIs(t, err, unknown)
	require.True(t, load(t, s).Drops(key(1), noon-1), "what cannot be told stays")
}

func TestADamagedFenceIsAnErrorAndHoldsNothingBackInSilence(t *testing.T) {
	t.Parallel()
	set, err := keyset.New([][]byte{key(9)})
	require.NoError(t, err)
	for name, damage := range map[string]func(t *testing.T, b bucket.Bucket, at string){
		"its keys are gone": func(t *testing.T, b bucket.Bucket, at string) { require.NoError(t, b.Delete(t.Context(), at+".keys")) },
		"its keys are cut short": func(t *testing.T, b bucket.Bucket, at string) {
			require.NoError(t, b.Put(t.Context(), at+".keys", []byte("x")))
		},
		"other keys": func(t *testing.T, b bucket.Bucket, at string) {
			require.NoError(t, b.Put(t.Context(), at+".keys", set.Hashed().Encode()))
		},
		"no document": func(t *testing.T, b bucket.Bucket, at string) {
			require.NoError(t, b.Put(t.Context(), at+".json", []byte("{")))
		},
		"a later format": func(t *testing.T, b bucket.Bucket, at string) {
			require.NoError(t, b.Put(t.Context(), at+".json", []byte(`{"format":2}`)))
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := buckettest.NewMemory()
			s := &forget.Store{Bucket: b}
			require.NoError(t, s.Put(t.Context(), fence("a", noon), keysOf(t, 0, 3)))
			damage(t, b, "forget/prod/spending/a")
			_, err := s.Load(t.Context(), "prod", "spending", users)
			require.ErrorIs(t, err, forget.ErrDamaged)
		})
	}
}

func TestFencesThatStayAreReadOnce(t *testing.T) {
	t.Parallel()
	var gets atomic.Int64
	s := &forget.Store{Bucket: buckettest.Faulty{Bucket: buckettest.NewMemory(), Hook: func(op, _ string) buckettest.Fault {
		if strings.HasPrefix(op, "Get") {
			gets.Add(1)
		}
		return buckettest.None
	}}}
	for _, id := range []string{"a", "b"} {
		require.NoError(t, s.Put(t.Context(), fence(id, noon), keysOf(t, 0, 3)))
	}
	gets.Store(0)
	for range 10 {
		require.True(t, load(t, s).Drops(key(0), noon-1))
	}
	require.Equal(t, int64(4), gets.Load())
	for i := range 200 { // of other views, or other keys: more than are kept
		_, err := s.Load(t.Context(), "prod", "spending", []feature.Field{{Name: fmt.Sprint(i), Type: feature.Int64}})
		require.NoError(t, err)
	}
	require.True(t, load(t, s).Drops(key(0), noon-1))
}

func TestAViewsFencesAreBounded(t *testing.T) {
	t.Parallel()
	s := &forget.Store{Bucket: buckettest.NewMemory()}
	most := keysOf(t, 0, keyset.MaxKeys)
	for i := range 4 {
		require.NoError(t, s.Put(t.Context(), fence(fmt.Sprint(i), noon), most))
	}
	require.ErrorIs(t, s.Put(t.Context(), fence("more", noon), keysOf(t, 0, 1)), forget.ErrTooMany)
	require.NoError(t, s.Put(t.Context(), fence("0", noon), most), "one that is there is put again")
	_, err := s.Lift(t.Context(), "prod", "spending", "0")
	require.NoError(t, err)
	require.NoError(t, s.Put(t.Context(), fence("more", noon), keysOf(t, 0, 1)))
}
