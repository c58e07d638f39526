package record_test

import (
	"bytes"
	"cmp"
	"strings"
	"testing"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/apache/arrow/go/v15/arrow/memory"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/tilery/tilery/pkg/feature"
	"github.com/tilery/tilery/pkg/record"
)

var fields = []feature.Field{{Name: "id", Type: feature.Int64}, {Name: "name", Type: feature.String}}

func drawKey(rt *rapid.T) []feature.Value {
	values := []feature.Value{feature.Null, feature.Null}
	if rapid.Bool().Draw(rt, "has id") {
		values[0] = feature.Int64Value(rapid.Int64().Draw(rt, "id"))
	}
	if rapid.Bool().Draw(rt, "has name") {
		values[1] = feature.StringValue(string(rapid.SliceOfN(rapid.SampledFrom([]byte{0, 1, 'a', 0xff}), 0, 4).Draw(rt, "name")))
	}
	return values
}

func compareValues(a, b []feature.Value) int {
	null := func(v feature.Value) int {
		if v.IsNull() {
			return 0
		}
		return 1
	}
	return cmp.Or(
		cmp.Compare(null(a[0]), null(b[0])), cmp.Compare(a[0].Int64(), b[0].Int64()),
		cmp.Compare(null(a[1]), null(b[1])), cmp.Compare(a[1].Text(), b[1].Text()),
	)
}

func TestKeysOrderAsTheirValuesAndRoundTrip(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		a, b := drawKey(rt), drawKey(rt)
		ka, err := record.AppendKey(nil, fields, a)
		require.NoError(rt, err)
		kb, err := record.AppendKey(nil, fields, b)
		require.NoError(rt, err)
		require.Equal(rt, compareValues(a, b), bytes.Compare(ka, kb))
		require.Equal(rt, compareValues(a, b) != 0, !bytes.HasPrefix(kb, ka), "a key is a prefix of another")
		back, err := record.DecodeKey(ka, fields)
		require.NoError(rt, err)
		require.Equal(rt, a, back)
	})
}

func TestColumnsEncodeAsValuesDo(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		ids := array.NewInt64Builder(memory.DefaultAllocator)
		names := array.NewStringBuilder(memory.DefaultAllocator)
		var want [][]byte
		for range rapid.IntRange(1, 5).Draw(rt, "rows") {
			key, err := record.AppendKey(nil, fields, drawKey(rt))
			require.NoError(rt, err)
			want = append(want, key)
			require.NoError(rt, record.AppendKeyColumns([]array.Builder{ids, names}, fields, key))
		}
		encoder, err := record.NewKeyEncoder(fields, []arrow.Array{ids.NewArray(), names.NewArray()})
		require.NoError(rt, err)
		for row, key := range want {
			require.Equal(rt, key, encoder.Append(nil, row))
		}
	})
}

func TestDamagedKeysAreErrorsOrOtherKeys(t *testing.T) {
	key, err := record.AppendKey(nil, fields, []feature.Value{feature.Int64Value(-7), feature.StringValue("a\x00b")})
	require.NoError(t, err)
	for n := range key {
		_, err := record.DecodeKey(key[:n], fields)
		require.ErrorIs(t, err, record.ErrDamagedKey, "truncated to %d", n)
	}
	for n := range key {
		for bit := range 8 {
			damaged := bytes.Clone(key)
			damaged[n] ^= 1 << bit
			values, err := record.DecodeKey(damaged, fields)
			if err != nil {
				require.ErrorIs(t, err, record.ErrDamagedKey)
				continue
			}
			again, err := record.AppendKey(nil, fields, values)
			require.NoError(t, err)
			require.Equal(t, damaged, again)
		}
	}
}

func TestBadKeysAreRefused(t *testing.T) {
	for _, values := range [][]feature.Value{
		{feature.Int64Value(1)},
		{feature.StringValue("1"), feature.StringValue("a")},
		{feature.Int64Value(1), feature.StringValue(strings.Repeat("x", record.MaxKeyBytes))},
	} {
		_, err := record.AppendKey(nil, fields, values)
		require.ErrorIs(t, err, record.ErrKey)
	}
	_, err := record.AppendKey(nil, fields, []feature.Value{feature.Null, feature.StringValue(strings.Repeat("x", record.MaxKeyBytes-5))})
	require.NoError(t, err, "at the bound")
}
