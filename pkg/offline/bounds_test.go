package offline_test

import (
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/tilery/tilery/pkg/feature"
	"github.com/tilery/tilery/pkg/keyset"
	"github.com/tilery/tilery/pkg/offline"
	"github.com/tilery/tilery/pkg/record"
)

var (
	number = feature.Field{Name: "key", Type: feature.Int64}
	text   = feature.Field{Name: "key", Type: feature.String}
)

// key returns the key of a value: an int, a string, or nil for null. What follows are
// further join keys.
func key(t require.TestingT, values ...any) []byte {
	fields, of := make([]feature.Field, len(values)), make([]feature.Value, len(values))
	for i, v := range values {
		switch v := v.(type) {
		case nil:
			fields[i], of[i] = text, feature.Null
		case int:
			fields[i], of[i] = number, feature.Int64Value(int64(v))
		case string:
			fields[i], of[i] = text, feature.StringValue(v)
		default:
			require.Failf(t, "no key", "%T", v)
		}
	}
	out, err := record.AppendKey(nil, fields, of)
	require.NoError(t, err)
	return out
}

func setOf(t require.TestingT, keys ...[]byte) *keyset.Set {
	s, err := keyset.New(keys)
	require.NoError(t, err)
	return s
}

// held returns those of the first keys that a file may hold.
func held(t require.TestingT, b offline.KeyBounds, first []any) (out []any) {
	for _, v := range first {
		k, pair := key(t, v), key(t, v, "z")
		may := b.MayHold(k)
		require.Equal(t, may, b.MayHold(pair), "%v with a second join key", v)
		require.Equal(t, may, b.MayHoldAny(setOf(t, k)), "%v", v)
		require.Equal(t, may, b.MayHoldAny(setOf(t, pair)), "%v", v)
		if may {
			out = append(out, v)
		}
	}
	return out
}

func TestStatisticsBoundKeys(t *testing.T) {
	t.Parallel()
	numbers := []any{nil, math.MinInt64, -1, 0, 1, 1<<53 + 1, math.MaxInt64 - 1, math.MaxInt64}
	texts := []any{nil, "", "a", "a\x00", "ab", "abc", "b", "é", "\xff"}
	for _, c := range []struct {
		name  string
		first feature.Field
		stats string
		want  []any
	}{
		{"both bounds, which are keys themselves", number, `{"minValues":{"key":-1},"maxValues":{"key":1},"nullCount":{"key":0}}`, []any{-1, 0, 1}},
		{"one key", number, `{"minValues":{"key":0},"maxValues":{"key":0},"nullCount":{"key":0}}`, []any{0}},
		{"all integers", number, `{"minValues":{"key":-9223372036854775808},"maxValues":{"key":9223372036854775807},"nullCount":{"key":0}}`, numbers[1:]},
		{"the greatest integer", number, `{"minValues":{"key":9223372036854775807},"maxValues":{"key":9223372036854775807},"nullCount":{"key":0}}`, numbers[7:]},
		{"the least integer", number, `{"minValues":{"key":-9223372036854775808},"maxValues":{"key":-9223372036854775808},"nullCount":{"key":0}}`, numbers[1:2]},
		{"an integer that a float cannot hold", number, `{"minValues":{"key":9007199254740993},"maxValues":{"key":9007199254740993},"nullCount":{"key":0}}`, numbers[5:6]},
		{"some are null", number, `{"minValues":{"key":0},"maxValues":{"key":1},"nullCount":{"key":2}}`, numbers[:5]},
		{"maybe some are null", number, `{"minValues":{"key":0},"maxValues":{"key":1}}`, numbers[:5]},
		{"an unknown count of nulls", number, `{"minValues":{"key":0},"maxValues":{"key":1},"nullCount":{"key":null}}`, numbers[:5]},
		{"all are null", number, `{"minValues":{},"maxValues":{},"nullCount":{"key":2}}`, numbers},
		{"no minimum", number, `{"maxValues":{"key":0},"nullCount":{"key":0}}`, numbers[:4]},
		{"no maximum", number, `{"minValues":{"key":0},"nullCount":{"key":0}}`, numbers[3:]},
		{"bounds that are null", number, `{"minValues":{"key":null},"maxValues":{"key":null},"nullCount":{"key":0}}`, numbers},
		{"bounds of another column", number, `{"minValues":{"n":0},"maxValues":{"n":0},"nullCount":{"n":0}}`, numbers},
		{"a text for an integer", number, `{"minValues":{"key":"0"},"maxValues":{"key":"0"},"nullCount":{"key":0}}`, numbers},
		{"a fraction", number, `{"minValues":{"key":0.5},"maxValues":{"key":0.5},"nullCount":{"key":0}}`, numbers},
		{"more than an integer holds", number, `{"minValues":{"key":9223372036854775808},"maxValues":{"key":-9223372036854775809},"nullCount":{"key":0}}`, numbers},
		{"no statistics", number, ``, numbers},
		{"half of the statistics", number, `{"minValues":{"key":0},"maxVal`, numbers},
		{"statistics of another form", number, `{"minValues":{"key":0},"maxValues":[0],"nullCount":{"key":0}}`, numbers},
		{"no object", number, `null`, numbers},

		{"texts; those that go on may be there", text, `{"minValues":{"key":"a"},"maxValues":{"key":"ab"},"nullCount":{"key":0}}`, texts[2:6]},
		{"texts and nulls", text, `{"minValues":{"key":"a"},"maxValues":{"key":"ab"},"nullCount":{"key":1}}`, texts[:6]},
		{"a minimum that is cut off", text, `{"minValues":{"key":"ab"},"nullCount":{"key":0}}`, texts[4:]},
		{"a maximum that is cut off and raised", text, "{\"maxValues\":{\"key\":\"a\U0010ffff\"}}", texts[:6]},
		{"a maximum that ends with a zero byte", text, `{"maxValues":{"key":"a\u0000"}}`, texts[:4]},
		{"the empty text, of which nothing is left if it was cut off", text, `{"minValues":{"key":""},"maxValues":{"key":""},"nullCount":{"key":0}}`, texts[1:]},
		{"texts that are cut off inside a character", text, `{"minValues":{"key":"�"},"maxValues":{"key":"�"},"nullCount":{"key":0}}`, texts},
		{"half of a character", text, `{"minValues":{"key":"\ud800"},"maxValues":{"key":"\ud800"},"nullCount":{"key":0}}`, texts},
		{"texts that are null", text, `{"minValues":{"key":null},"maxValues":{"key":null},"nullCount":{"key":0}}`, texts},
		{"an integer for a text", text, `{"minValues":{"key":7},"maxValues":{"key":7},"nullCount":{"key":0}}`, texts},
		{"texts that no key can have", text, fmt.Sprintf(`{"minValues":{"key":%q},"maxValues":{"key":%[1]q},"nullCount":{"key":0}}`, strings.Repeat("b", record.MaxKeyBytes)), texts},
		{"no statistics of texts", text, `{}`, texts},

		{"a type that no key has", feature.Field{Name: "key", Type: feature.Bool}, `{"minValues":{"key":true},"maxValues":{"key":true},"nullCount":{"key":0}}`, texts},
	} {
		all := texts
		if c.first == number {
			all = numbers
		}
		require.Equal(t, c.want, held(t, offline.File{Stats: c.stats}.KeyBounds(c.first), all), c.name)
	}
}

func TestBoundsThatAreNotOfStatisticsAreExact(t *testing.T) {
	t.Parallel()
	texts := []any{nil, "", "a", "ab", "abc", "b"}
	a, ab := feature.StringValue("a"), feature.StringValue("ab")
	require.Equal(t, texts[2:4], held(t, offline.NewKeyBounds(text, a, ab, false), texts))
	require.Equal(t, texts[:4], held(t, offline.NewKeyBounds(text, a, ab, true), texts))
	require.Equal(t, texts[2:], held(t, offline.NewKeyBounds(text, a, feature.Null, false), texts))
	require.Equal(t, texts, held(t, offline.NewKeyBounds(number, a, ab, false), texts), "they are of another type")
	require.Equal(t, texts, held(t, offline.KeyBounds{}, texts))
}

func TestASetIsHeldIfOneOfItsKeysIs(t *testing.T) {
	t.Parallel()
	b := offline.NewKeyBounds(number, feature.Int64Value(3), feature.Int64Value(5), false)
	require.False(t, b.MayHoldAny(setOf(t)))
	require.False(t, b.MayHoldAny(setOf(t, key(t, 1), key(t, 2), key(t, 6))))
	require.True(t, b.MayHoldAny(setOf(t, key(t, 1), key(t, 5), key(t, 6))))
	require.True(t, offline.KeyBounds{}.MayHoldAny(setOf(t, key(t, 1))))
	require.False(t, offline.KeyBounds{}.MayHoldAny(setOf(t)), "there is no key to hold")
}

// Statistics of any keys, cut off anywhere, or with anything left out, rule none of them out.
func TestNoKeyOfAFileIsRuledOut(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		letters := rapid.SampledFrom([]string{"\x00", "\x01", "a", "b", "é", "\U0010ffff"})
		values := rapid.SliceOfN(rapid.SliceOfN(letters, 0, 4), 1, 8).Draw(rt, "texts")
		var all []string
		for _, v := range values {
			all = append(all, strings.Join(v, ""))
		}
		nulls := rapid.IntRange(0, 1).Draw(rt, "nulls")
		stats := map[string]any{}
		put := func(name string, v any) {
			if rapid.Bool().Draw(rt, "has "+name) {
				stats[name] = map[string]any{"key": v}
			}
		}
		cut := func(name, v string) string { return v[:rapid.IntRange(0, len(v)).Draw(rt, name)] }
		put("minValues", cut("min", slices.Min(all)))
		put("maxValues", cut("max", slices.Max(all)))
		put("nullCount", nulls)
		encoded, err := json.Marshal(stats)
		require.NoError(rt, err)
		first := make([]any, 0, len(all)+1)
		for _, v := range all {
			first = append(first, v)
		}
		if nulls > 0 {
			first = append(first, nil)
		}
		require.Equal(rt, first, held(rt, offline.File{Stats: string(encoded)}.KeyBounds(text), first), "%s", encoded)
	})
}
