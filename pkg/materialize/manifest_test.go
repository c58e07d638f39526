package materialize_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tilery/tilery/pkg/bucket/buckettest"
	"github.com/tilery/tilery/pkg/offline"
)

func TestBuildsComeBackWhole(t *testing.T) {
	t.Parallel()
	events := randomEvents(seeded(1), 100, span(0, day))
	s := newMemoryScene(t, newView(hour, day), &events)
	for _, b := range [][]offline.Build{{s.build(span(0, day))}, {s.build(span(day, 2*day)), s.build(span(2*day, 3*day))}} {
		key, err := s.engine.SaveBuilds(t.Context(), s.target, b, "a")
		require.NoError(t, err)
		loaded, err := s.engine.LoadBuilds(t.Context(), key)
		require.NoError(t, err)
		require.Equal(t, b, loaded)
	}
}

func TestSavingABuildAgainIsHarmless(t *testing.T) {
	t.Parallel()
	events := randomEvents(seeded(1), 100, span(0, day))
	s := newMemoryScene(t, newView(hour, day), &events)
	first, second := []offline.Build{s.build(span(0, day))}, []offline.Build{s.build(span(0, day))}
	lost := true
	s.engine.Bucket = buckettest.Faulty{Bucket: s.bucket, Hook: func(op, _ string) buckettest.Fault {
		if op == "PutIfAbsent" && lost {
			lost = false
			return buckettest.LostAnswer
		}
		return buckettest.None
	}}
	key, err := s.engine.SaveBuilds(t.Context(), s.target, first, "a")
	require.NoError(t, err)
	require.False(t, lost)
	again, err := s.engine.SaveBuilds(t.Context(), s.target, second, "a")
	require.NoError(t, err)
	require.Equal(t, key, again)
	loaded, err := s.engine.LoadBuilds(t.Context(), key)
	require.NoError(t, err)
	require.Equal(t, first, loaded, "the first one stays")

	other, err := s.engine.SaveBuilds(t.Context(), s.target, second, "b")
	require.NoError(t, err)
	require.NotEqual(t, key, other)
}

func TestManifestsThatCannotBeReadAreErrors(t *testing.T) {
	t.Parallel()
	s := newMemoryScene(t, newView(hour, day), new([]event))
	_, err := s.engine.LoadBuilds(t.Context(), "builds/none.json")
	require.ErrorIs(t, err, offline.ErrStale, "it was removed since")
	for text, data := range map[string]string{
		"format 2 is not known":   `{"format":2,"builds":[]}`,
		"format 0 is not known":   `{}`,
		"unexpected end of JSON":  `{"format":1`,
		"cannot unmarshal string": `{"format":1,"builds":""}`,
	} {
		key := fmt.Sprintf("builds/%d.json", len(text))
		require.NoError(t, s.bucket.Put(t.Context(), key, []byte(data)))
		_, err := s.engine.LoadBuilds(t.Context(), key)
		require.ErrorContains(t, err, text)
		require.ErrorContains(t, err, key)
	}
}
