package erase_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tilery/tilery/pkg/erase"
	"github.com/tilery/tilery/pkg/feature"
	"github.com/tilery/tilery/pkg/frame"
	"github.com/tilery/tilery/pkg/keyset"
	"github.com/tilery/tilery/pkg/registry"
	"github.com/tilery/tilery/pkg/window"
)

// stages are views of a workspace, and a development workspace.
func newStages(t *testing.T) *scene {
	t.Helper()
	s := newScene(t, tilesByBoth, nil)
	s.engine.Options.MaxKeys, s.engine.Options.KeyBytes = 3, 300
	r := newRepository(tilesByBoth, "one")
	like := func(name string, change func(*feature.BatchFeatureView)) {
		v := r.BatchFeatureViews[0]
		v.Name = name
		change(&v)
		r.BatchFeatureViews = append(r.BatchFeatureViews, v)
	}
	like("offline_only", func(v *feature.BatchFeatureView) { v.Online = false })
	like("nowhere", func(v *feature.BatchFeatureView) { v.Online, v.Offline = false, false })
	like("indexed", func(v *feature.BatchFeatureView) { v.OnlineServingIndex = []string{"id"} })
	for _, workspace := range []string{"prod", "dev"} {
		_, err := s.engine.Views.Registry.Apply(t.Context(), workspace, 0, r, s.product())
		require.NoError(t, err)
	}
	return s
}

func TestWhatCannotBeDeletedIsRefusedAndNothingKept(t *testing.T) {
	t.Parallel()
	s := newStages(t)
	before := window.MinTime - 1
	const good = "id,shop\n1,a\n"
	for _, c := range []struct {
		request erase.Request
		file    string
		want    string
	}{
		{erase.Request{}, good, "One of online or offline store must be selected."},
		{erase.Request{Online: true, Forget: &before}, good, "keys can be forgotten until a time of years 1 to 9999"},
		{erase.Request{Workspace: "dev", Online: true}, good, "workspace dev is not live: nothing is materialized in it"},
		{erase.Request{View: "nothing", Online: true}, good, `workspace prod: not found in the registry: no feature view "nothing"`},
		{erase.Request{View: "indexed", Online: true}, good, "indexed has an online_serving_index, with which single keys cannot be deleted"},
		{erase.Request{View: "offline_only", Online: true, Offline: true}, good, "offline_only has online: false; delete from the offline store only"},
		{erase.Request{View: "nowhere", Offline: true}, good, "nowhere has offline: false; delete from the online store only"},
		{both, "id\n1\n", "Requested keys to be deleted (id) do not match the expected join keys (id, shop)."},
		{both, "id,shop,ts\n1,a,2\n", "Requested keys to be deleted (id, shop, ts) do not match the expected join keys (id, shop)."},
		{both, "id,name\n1,a\n", "Requested keys to be deleted (id, name) do not match the expected join keys (id, shop)."},
		{both, "id,shop\n", "there are no keys"},
		{both, "id,shop\n1,a\n,b\n", "row 2 has a null in join key id"},
		{both, "id,shop\n1,a\n2,\n", "row 2 has a null in join key shop"},
		{both, "id,shop\n1,a\n2,a\n3,a\n4,a\n", "Max number of keys to be deleted is 3."},
		{both, "id,shop\n" + strings.Repeat("1,a\n", 13), "Max number of keys to be deleted is 3."},
		{both, "id,shop\n1," + strings.Repeat("a", 300), "the keys take 310 bytes, at most 300 are allowed"},
	} {
		r := c.request
		if r.Workspace == "" {
			r.Workspace = "prod"
		}
		if r.View == "" {
			r.View = "spending"
		}
		_, err := s.engine.Stage(t.Context(), r, strings.NewReader(c.file), int64(len(c.file)), frame.CSV)
		require.ErrorIs(t, err, erase.ErrRefused, c.want)
		require.EqualError(t, err, "cannot delete keys: "+c.want)
	}
	const wrong = "id,shop\nx,a\n"
	_, err := s.engine.Stage(t.Context(), erase.Request{Workspace: "prod", View: "spending", Online: true}, strings.NewReader(wrong), int64(len(wrong)), frame.CSV)
	require.ErrorIs(t, err, frame.ErrData)
	_, err = s.engine.Stage(t.Context(), erase.Request{Workspace: "No!", View: "spending", Online: true}, strings.NewReader(good), int64(len(good)), frame.CSV)
	require.ErrorIs(t, err, registry.ErrWorkspace)

	s.engine.Options.KeyBytes = 10_000
	long := "id,shop\n1," + strings.Repeat("a", 1100) + "\n"
	_, err = s.engine.Stage(t.Context(), erase.Request{Workspace: "prod", View: "spending", Online: true}, strings.NewReader(long), int64(len(long)), frame.CSV)
	require.EqualError(t, err, "cannot delete keys: row 1 has a key of 1113 bytes, at most 1024 are allowed")
	for info, err := range s.bucket.List(t.Context(), "deletions/", "") {
		require.NoError(t, err)
		require.Fail(t, "kept", info.Key)
	}
}

func TestWhatIsStagedTellsItsKeysApart(t *testing.T) {
	t.Parallel()
	s := newStages(t)
	staged := s.stage(both, 2, 1, 2, 1)
	require.Equal(t, 2, staged.Keys)
	require.Equal(t, 2, staged.Duplicates)
	require.Equal(t, []feature.Field(keyFields(tilesByBoth)), staged.JoinKeys, "in the order of the view")
	require.Regexp(t, "^[0-9a-f]{32}$", staged.ID)
	require.Equal(t, "deletions/prod/spending/"+staged.ID+"/keys", staged.Object)
	data, err := s.bucket.Get(t.Context(), staged.Object)
	require.NoError(t, err)
	set, err := keyset.Decode(data)
	require.NoError(t, err)
	require.Equal(t, staged.Digest, set.Hashed().Digest())
	for _, user := range []int{1, 2} {
		require.True(t, set.Contains([]byte(s.key(user))))
	}
	other := s.stage(both, 1, 2)
	require.Equal(t, staged.Digest, other.Digest)
	require.NotEqual(t, staged.ID, other.ID)
	require.NoError(t, s.engine.Discard(t.Context(), staged))
	_, err = s.engine.Plan(t.Context(), staged, s.product(), nil)
	require.ErrorIs(t, err, erase.ErrRefused)
	require.NoError(t, s.engine.Discard(t.Context(), staged))
	_, err = s.engine.Plan(t.Context(), other, s.product(), nil)
	require.NoError(t, err)

	removed, err := s.engine.Sweep(t.Context(), "prod", time.Now().Add(-time.Hour))
	require.NoError(t, err)
	require.Zero(t, removed)
	removed, err = s.engine.Sweep(t.Context(), "prod", time.Now().Add(time.Hour))
	require.NoError(t, err)
	require.EqualValues(t, 2, removed, "the keys and the plan")
}

// Stores of other join keys cannot be searched for a key.
func TestStoresWithOtherJoinKeysAreNotTouched(t *testing.T) {
	t.Parallel()
	s := newScene(t, rowsByID, randomEvents(1, 300, 20))
	s.define("one")
	s.fill(s.stores().Serving, 0, 1, 2, 3)
	old := s.contents(s.stores().Serving)
	s.kind = rowsByName
	s.define("two")
	file := s.csv(1)
	_, err := s.engine.Stage(t.Context(), erase.Request{Workspace: "prod", View: "spending", Online: true}, strings.NewReader(file), int64(len(file)), frame.CSV)
	require.EqualError(t, err, "cannot delete keys: spending serves a store with the join keys (id) until the one with (name) is filled: wait for that")
	s.fill(s.stores().Filling, 0, 1, 2, 3)
	_, err = s.engine.Views.Switch(t.Context(), "prod", "spending", s.product())
	require.NoError(t, err)
	receipt := s.delete(both, 1, 2)
	require.Equal(t, old, s.contents(s.targets()[1]))
	require.False(t, receipt.Stores[1].Offline || receipt.Stores[1].Online, fmt.Sprintf("%+v", receipt.Stores[1]))
	require.NotContains(t, s.contents(s.targets()[0]).rows, s.key(1))
}
