package retrieve_test

import (
	"context"
	"io"
	"testing"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/tilery/tilery/pkg/retrieve"
)

// spineOfRecords yields records once.
func spineOfRecords(records ...arrow.Record) retrieve.Spine {
	return retrieve.Spine{Schema: asksSchema, Time: "when", Next: func() (arrow.Record, error) {
		if len(records) == 0 {
			return nil, io.EOF
		}
		next := records[0]
		records = records[1:]
		return next, nil
	}}
}

func TestSharesDivideASpineByItsKeys(t *testing.T) {
	t.Parallel()
	part := writeVisits(t, visitsView(0), 1, nil)
	type key struct {
		user int64
		shop string
		null bool
	}
	rapid.Check(t, func(rt *rapid.T) {
		_, asks := drawVisits(rapid.Uint64().Draw(rt, "seed"), 1, 0, rapid.SampledFrom([]int{0, 1, 10, 300, 20_000}).Draw(rt, "rows"))
		cut := rapid.IntRange(0, len(asks)).Draw(rt, "cut")
		records := []arrow.Record{asksRecord(t, asksSchema, 0, asks[:cut]), asksRecord(t, asksSchema, cut, asks[cut:])}
		perShare := rapid.Int64Range(1, 400).Draw(rt, "rows a share")
		d, err := retrieve.NewDivider(context.Background(), spineOfRecords(records...), part, perShare, 7)
		require.NoError(rt, err)
		require.LessOrEqual(rt, d.Shares(), 7)

		of, seen := map[key]int{}, map[int64]bool{}
		used := make([]bool, d.Shares())
		err = d.Divide(context.Background(), spineOfRecords(records...).Next, func(share int, rec arrow.Record) error {
			used[share] = true
			shops, users, rows := rec.Column(0).(*array.String), rec.Column(2).(*array.Int64), rec.Column(3).(*array.Int64)
			for i := range int(rec.NumRows()) {
				k := key{users.Value(i), shops.Value(i), users.IsNull(i) || shops.IsNull(i)}
				if have, known := of[k]; known && !k.null {
					require.Equal(rt, have, share, "rows of one key are in one share")
				}
				of[k] = share
				require.False(rt, seen[rows.Value(i)], "a row comes once")
				seen[rows.Value(i)] = true
			}
			return nil
		})
		require.NoError(rt, err)
		require.Len(rt, seen, len(asks))
		require.True(rt, len(asks) == 0 || used[0] && used[len(used)-1])
		for a, i := range of {
			for b, j := range of {
				if !a.null && !b.null && a.user < b.user {
					require.LessOrEqual(rt, i, j, "shares are ranges of keys")
				}
			}
		}
	})
}
