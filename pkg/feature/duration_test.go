package feature_test

import (
	"math"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/tilery/tilery/pkg/feature"
)

func TestDurationsAreWrittenAsTectonDoes(t *testing.T) {
	for want, d := range map[string]time.Duration{
		"0s":             0,
		"1s":             time.Second,
		"10m":            10 * time.Minute,
		"1h30m":          90 * time.Minute,
		"1d":             24 * time.Hour,
		"7d":             7 * 24 * time.Hour,
		"1d1h1m1s":       25*time.Hour + 61*time.Second,
		"-1h30m":         -90 * time.Minute, // only in messages, as what follows
		"1m0.5s":         time.Minute + 500*time.Millisecond,
		"0.000000001s":   1,
		"106751d23h47m":  time.Duration(math.MaxInt64).Truncate(time.Minute),
		"-106751d23h47m": -time.Duration(math.MaxInt64).Truncate(time.Minute),
	} {
		require.Equal(t, want, feature.Duration(d).String())
	}
}

func TestDurationTextRoundTrips(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		d := feature.Duration(rapid.Int64Range(0, 36500*24*3600).Draw(t, "seconds") * 1e9)
		text, err := d.MarshalText()
		require.NoError(t, err)
		var again feature.Duration
		require.NoError(t, again.UnmarshalText(text), "%s", text)
		require.Equal(t, d, again, "%s", text)
	})
}

func TestDurationTextTakesAnyNumberOfAUnit(t *testing.T) {
	for text, want := range map[string]feature.Duration{
		"0s": 0, "90m": 90 * minute, "24h": day, "3600s": hour, "1d0h5s": day + 5e9, "36500d": 36500 * day,
	} {
		var d feature.Duration
		require.NoError(t, d.UnmarshalText([]byte(text)), text)
		require.Equal(t, want, d, text)
	}
}

func TestDurationTextRefuses(t *testing.T) {
	form := ` is not of the form 7d, 1h30m or 90s`
	long := ` is longer than 36500d`
	for text, want := range map[string]string{
		"":      `duration ""` + form,
		"7":     `duration "7"` + form,
		"-7d":   `duration "-7d"` + form,
		"1.5h":  `duration "1.5h"` + form,
		"1h1d":  `duration "1h1d"` + form,
		"1h 5m": `duration "1h 5m"` + form,
		"1w":    `duration "1w"` + form,
		"500ms": `duration "500ms"` + form,
		"7D":    `duration "7D"` + form,
		"1d\n":  `duration "1d\n"` + form,

		"36501d":   `duration "36501d"` + long,
		"36500d1s": `duration "36500d1s"` + long,
		// Each part is within the limit, and all together past what 64 bits hold.
		"36500d876000h52560000m3153600000s": `duration "36500d876000h52560000m3153600000s"` + long,
		"99999999999s":                      `duration "99999999999s"` + form,
	} {
		var d feature.Duration
		require.EqualError(t, d.UnmarshalText([]byte(text)), want)
		require.Zero(t, d)
	}
}

func TestDurationsThatCannotBeReadAreNotWritten(t *testing.T) {
	for _, d := range []feature.Duration{-1e9, 1, 5e8, 36500*day + 1e9, math.MaxInt64, math.MinInt64} {
		_, err := d.MarshalText()
		require.ErrorContains(t, err, "is not a whole number of seconds from 0s to 36500d")
	}
}
