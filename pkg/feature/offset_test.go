package feature_test

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tilery/tilery/pkg/feature"
)

func TestOffsetTextRoundTrips(t *testing.T) {
	for text, want := range map[string]feature.Offset{
		"0s": 0, "-7d": feature.Offset(-7 * day), "-1h30m": feature.Offset(-90 * minute), "-36500d": feature.Offset(-36500 * day), "unbounded": feature.Unbounded,
	} {
		var got feature.Offset
		require.NoError(t, got.UnmarshalText([]byte(text)))
		require.Equal(t, want, got)
		written, err := got.MarshalText()
		require.NoError(t, err)
		require.Equal(t, text, string(written))
	}
}

func TestOffsetTextRefusesWhatIsNoLookBack(t *testing.T) {
	for _, text := range []string{"", "-", "7d", "--7d", "-7", "- 7d", "-36501d", "Unbounded"} {
		var got feature.Offset
		require.EqualError(t, got.UnmarshalText([]byte(text)), `offset "`+text+`" is not of the form -7d, -1h30m, 0s or unbounded`)
	}
	for _, bad := range []feature.Offset{feature.Offset(hour), -1, feature.Offset(-36501 * day)} {
		_, err := bad.MarshalText()
		require.ErrorContains(t, err, "is not a whole number of seconds")
	}
}

// Definitions that were applied before there were offsets hold names alone.
func TestNamesStandForWhatTheyName(t *testing.T) {
	var sources []feature.ViewSource
	require.NoError(t, json.Unmarshal([]byte(`["a", {"source": "b", "start_time_offset": "-1d"}, {"source": "c", "start_time_offset": "unbounded"}]`), &sources))
	require.Equal(t, []feature.ViewSource{{Source: "a"}, {Source: "b", StartTimeOffset: feature.Offset(-day)}, {Source: "c", StartTimeOffset: feature.Unbounded}}, sources)

	var features []feature.ServiceFeatures
	require.NoError(t, json.Unmarshal([]byte(`["a", {"feature_view": "b", "features": ["x"]}]`), &features))
	require.Equal(t, []feature.ServiceFeatures{{FeatureView: "a"}, {FeatureView: "b", Features: []string{"x"}}}, features)

	requireJSONRoundTrip(t, sources)
	requireJSONRoundTrip(t, features)
}

func requireJSONRoundTrip[T any](t *testing.T, want T) {
	data, err := json.Marshal(want)
	require.NoError(t, err)
	var got T
	require.NoError(t, json.Unmarshal(data, &got))
	require.Equal(t, want, got)
}
