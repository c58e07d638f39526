package feature_test

import (
	"math"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tilery/tilery/pkg/feature"
)

func TestNaNsAreOneValue(t *testing.T) {
	want := feature.Float64Value(math.NaN())
	for _, bits := range []uint64{0x7ff8000000000000, 0x7ff8000000000001, 0xfff8000000000000, 0x7ff0000000000001} {
		nan := feature.Float64Value(math.Float64frombits(bits))
		require.True(t, want == nan, "%x", bits)
		require.Equal(t, uint64(0x7ff8000000000000), math.Float64bits(nan.Float64()))
	}
}

func TestValuesOfOneTypeAreNoneOfAnother(t *testing.T) {
	for text, v := range map[string]feature.Value{
		"null": feature.Null, "true": feature.BoolValue(true), "false": feature.BoolValue(false),
		"-1": feature.Int64Value(-1), "1.5": feature.Float64Value(1.5), "-0": feature.Float64Value(math.Copysign(0, -1)),
		"+Inf": feature.Float64Value(math.Inf(1)), "NaN": feature.Float64Value(math.NaN()), "ATL": feature.StringValue("ATL"),
		"2001-01-01T00:00:00Z": feature.TimestampValue(at("2001-01-01")),
	} {
		require.Equal(t, text, v.String())
		require.Equal(t, v == feature.Null, v.IsNull(), text)
		if v.Type() != feature.Bool {
			require.False(t, v.Bool(), text)
		}
		if v.Type() != feature.Int64 {
			require.Zero(t, v.Int64(), text)
		}
		if v.Type() != feature.Float64 {
			require.Zero(t, v.Float64(), text)
		}
		if v.Type() != feature.String {
			require.Empty(t, v.Text(), text)
		}
		if v.Type() != feature.Timestamp {
			require.Zero(t, v.Timestamp(), text)
		}
	}
	require.Equal(t, int64(math.MinInt64), feature.Int64Value(math.MinInt64).Int64())
	require.Equal(t, at("0001-01-01"), feature.TimestampValue(at("0001-01-01")).Timestamp())
	require.False(t, feature.Float64Value(0) == feature.Float64Value(math.Copysign(0, -1)))
	require.False(t, feature.StringValue("") == feature.Null)
	require.False(t, feature.Int64Value(0) == feature.TimestampValue(0))
}
