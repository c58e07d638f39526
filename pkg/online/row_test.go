package online_test

import (
	"bytes"
	"cmp"
	"encoding/hex"
	"math"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/tilery/tilery/pkg/online"
	"github.com/tilery/tilery/pkg/window"
)

var goldenRows = map[string]online.Row{
	"empty": {Values: []byte{}},
	"full":  {Time: 0x0102030405060708, Seq: 9, Values: []byte{0, 0xff}},
	"least": {Time: math.MinInt64, Seq: math.MinInt64, Values: []byte("v")},
}

func TestRowsOfEarlierProgramsAreRead(t *testing.T) {
	stored := golden(t, "rows.golden")
	require.Len(t, stored, len(goldenRows))
	for name, row := range goldenRows {
		require.Equal(t, hex.EncodeToString(stored[name]), hex.EncodeToString(online.AppendRow(nil, row)), name)
		got, err := online.DecodeRow(stored[name])
		require.NoError(t, err)
		require.Equal(t, row, got)
	}
}

func TestRowsOrderAsTheirBytesAndRoundTrip(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		draw := func(label string) online.Row {
			number := rapid.OneOf(rapid.Int64Range(-1, 1), rapid.Int64())
			return online.Row{
				Time: window.Time(number.Draw(rt, label+" time")), Seq: number.Draw(rt, label+" seq"),
				Values: append([]byte{}, drawBytes(rt, label+" values")...),
			}
		}
		a, b := draw("a"), draw("b")
		want := cmp.Or(cmp.Compare(a.Time, b.Time), cmp.Compare(a.Seq, b.Seq), bytes.Compare(a.Values, b.Values))
		require.Equal(rt, want, bytes.Compare(online.AppendRow(nil, a), online.AppendRow(nil, b)))
		got, err := online.DecodeRow(online.AppendRow([]byte("before"), a)[len("before"):])
		require.NoError(rt, err)
		require.Equal(rt, a, got)
	})
}

func TestDamagedRowsAreErrors(t *testing.T) {
	encoded := online.AppendRow(nil, goldenRows["empty"])
	for n := range encoded {
		_, err := online.DecodeRow(encoded[:n])
		require.ErrorIs(t, err, online.ErrDamaged, "%d bytes", n)
	}
	encoded[0]++
	_, err := online.DecodeRow(encoded)
	require.ErrorIs(t, err, online.ErrDamaged, "another version")
}

func FuzzDecodeRow(f *testing.F) {
	for _, encoded := range golden(f, "rows.golden") {
		f.Add(encoded)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		row, err := online.DecodeRow(data)
		if err != nil {
			require.ErrorIs(t, err, online.ErrDamaged)
			return
		}
		require.Equal(t, data, online.AppendRow(nil, row), "one encoding per row")
	})
}
