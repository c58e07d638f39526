package delta

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tilery/tilery/pkg/feature"
	"github.com/tilery/tilery/pkg/offline"
)

func TestAnErasureIsFoundByItsFenceWhateverCameAfterIt(t *testing.T) {
	t.Parallel()
	object := fenceFolder + "17-" + strings.Repeat("0a", 32)
	made := []fence{
		{number: 2, version: 5, object: object, commit: "delete/one", fields: 1, at: 1000},
		{number: 3, version: 9, object: object, commit: "two", fields: 2, at: 2000},
	}
	s := newState(offline.Spec{Keys: make([]feature.Field, 2)})
	s.number, s.fence = 9, 3 // none of the ids of commits is remembered
	for _, f := range made {
		taken, err := s.applyFence(f.txn())
		require.NoError(t, err)
		require.True(t, taken)
	}
	require.Equal(t, made, s.fences)
	for id, want := range map[string]int64{"delete/one": 5, "two": 9} {
		version, done := s.erasedBy(id)
		require.True(t, done)
		require.Equal(t, want, version)
	}
	for _, unknown := range []string{"", "delete", "three"} {
		_, done := s.erasedBy(unknown)
		require.False(t, done, "%q", unknown)
	}
}

func TestTransactionsOfErasuresThatCannotBeAreCorrupt(t *testing.T) {
	t.Parallel()
	name := "17-" + strings.Repeat("0a", 32)
	for _, x := range []transaction{
		{AppID: "fence/3/9/" + name + "/id", Version: 3}, {AppID: "fence/3/9/" + name + "/id"},
		{AppID: "fence/4/9/" + name + "/id", Version: 1}, {AppID: "fence/0/9/" + name + "/id", Version: 1},
		{AppID: "fence/3/10/" + name + "/id", Version: 1}, {AppID: "fence/3/0/" + name + "/id", Version: 1},
		{AppID: "fence/3/x/" + name + "/id", Version: 1}, {AppID: "fence/x/9/" + name + "/id", Version: 1},
		{AppID: "fence/3/9/../id", Version: 1}, {AppID: "fence/3/9", Version: 1}, {AppID: "fence/", Version: 1},
	} {
		s := newState(offline.Spec{Keys: make([]feature.Field, 2)})
		s.number, s.fence = 9, 3
		_, err := s.applyFence(x)
		require.ErrorIs(t, err, offline.ErrCorrupt, "%+v", x)
	}
}
