package clock_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tilery/tilery/pkg/clock"
	"github.com/tilery/tilery/pkg/window"
)

func TestParse(t *testing.T) {
	at, err := window.Parse("2001-02-01")
	require.NoError(t, err)

	fixed, err := clock.Parse("fixed:2001-02-01T00:00:00Z")
	require.NoError(t, err)
	require.Equal(t, at, fixed.Now())

	from, err := clock.Parse("from:2001-02-01T00:00:00Z")
	require.NoError(t, err)
	require.InDelta(t, 0, from.Now().Sub(at).Seconds(), 60)

	offset, err := clock.Parse("offset:-1h")
	require.NoError(t, err)
	require.InDelta(t, -3600, time.Until(offset.Now().Time()).Seconds(), 60)

	for _, text := range []string{"", "system"} {
		system, err := clock.Parse(text)
		require.NoError(t, err)
		require.Equal(t, clock.System{}, system)
	}
	for _, text := range []string{"fixed:", "fixed:soon", "offset:x", "system:1", "lunar"} {
		_, err := clock.Parse(text)
		require.ErrorContains(t, err, text)
	}
}
