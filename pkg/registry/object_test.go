package registry_test

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tilery/tilery/pkg/feature"
	"github.com/tilery/tilery/pkg/registry"
)

func TestObjectsKeepTheirTimeAndIDWhileTheyExist(t *testing.T) {
	t.Parallel()
	r := registry.New(open(t))
	apply := func(base int64, names ...string) registry.Generation {
		var repository feature.Repository
		for _, name := range names {
			repository.Entities = append(repository.Entities, named(name).Entities...)
		}
		g, err := r.Apply(t.Context(), "prod", base, repository, now.Add(time.Duration(base)*time.Hour))
		require.NoError(t, err)
		return g
	}
	object := func(g registry.Generation, name string) registry.Object {
		o, ok := g.Object(registry.KindEntity, name)
		require.True(t, ok)
		require.Regexp(t, "^[0-9a-f]{32}$", o.ID)
		return o
	}
	first := apply(0, "a", "b")
	second := apply(1, "b", "c")
	third := apply(2, "a", "b", "c")

	require.Equal(t, now, object(first, "a").CreatedAt)
	require.NotEqual(t, object(first, "a").ID, object(first, "b").ID)
	require.Equal(t, object(first, "b"), object(third, "b"))
	require.Equal(t, object(second, "c"), object(third, "c"))
	require.Equal(t, now.Add(2*time.Hour), object(third, "a").CreatedAt, "it was gone in between")
	require.NotEqual(t, object(first, "a").ID, object(third, "a").ID)
	_, ok := second.Object(registry.KindEntity, "a")
	require.False(t, ok)
	_, ok = second.Object(registry.KindView, "b")
	require.False(t, ok)

	other, err := r.Apply(t.Context(), "staging", 0, named("a"), now)
	require.NoError(t, err)
	require.NotEqual(t, object(first, "a").ID, object(other, "a").ID)
}

// Documents of an earlier version do not tell when their objects were made.
func TestObjectsOfOldDocumentsAreAsOldAsTheseAtLeast(t *testing.T) {
	t.Parallel()
	b := open(t)
	r := registry.New(b)
	g, err := r.Apply(t.Context(), "prod", 0, named("a"), now)
	require.NoError(t, err)
	g.Objects = nil
	data, err := json.Marshal(g)
	require.NoError(t, err)
	require.NoError(t, b.Put(t.Context(), "registry/prod/0000000000000000001.json", data))
	next, err := r.Apply(t.Context(), "prod", 1, named("a"), now.Add(time.Hour))
	require.NoError(t, err)
	o, ok := next.Object(registry.KindEntity, "a")
	require.True(t, ok)
	require.Equal(t, now, o.CreatedAt)
}
