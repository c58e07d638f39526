package delta_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/tilery/tilery/pkg/bucket/buckettest"
	"github.com/tilery/tilery/pkg/offline"
	"github.com/tilery/tilery/pkg/offline/delta"
	"github.com/tilery/tilery/pkg/offline/offlinetest"
	"github.com/tilery/tilery/pkg/window"
)

func TestARewrittenFileIsAsIfWrittenWithoutTheRows(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		table, err := delta.New(buckettest.NewMemory(), delta.Options{RowGroupRows: rapid.Int64Range(1, 9).Draw(rt, "group")}).
			Open(t.Context(), offlinetest.Spec())
		require.NoError(rt, err)
		var rows []offlinetest.Row
		for n := range rapid.IntRange(1, 60).Draw(rt, "rows") {
			r := offlinetest.Row{User: fmt.Sprintf("user-%02d", n/rapid.SampledFrom([]int{1, 3}).Draw(rt, "of a user")), At: hour(0).Start + window.Time(n), N: int64(n)}
			if rapid.Bool().Draw(rt, "tagged") {
				r.Tags, r.Rest = []string{"a", "b"}[:n%3%2+1], []byte{byte(n)}
			}
			rows = append(rows, r)
		}
		slices.SortStableFunc(rows, func(a, b offlinetest.Row) int { return compareUsers(a, b) })
		built, err := offlinetest.Write(t.Context(), table, hour(0), readAt(1), rows)
		require.NoError(rt, err)
		users := rapid.SliceOfNDistinct(rapid.Custom(func(rt *rapid.T) string {
			return fmt.Sprintf("user-%02d", rapid.IntRange(0, 60).Draw(rt, "user"))
		}), 1, 30, rapid.ID).Draw(rt, "erased")
		left := slices.DeleteFunc(slices.Clone(rows), func(r offlinetest.Row) bool { return slices.Contains(users, r.User) })

		f := built.Files[0]
		got, err := table.Rewrite(t.Context(), f, offlinetest.KeysOf(rt, users...), 1, nil)
		require.NoError(rt, err)
		require.EqualValues(rt, len(rows)-len(left), got.Erased)
		if len(left) == 0 || len(left) == len(rows) {
			require.Nil(rt, got.File)
			return
		}
		again, err := table.OpenFile(t.Context(), *got.File)
		require.NoError(rt, err)
		require.NoError(rt, again.Close())
		back, err := offlinetest.ReadRows(t.Context(), table, []offline.File{*got.File})
		require.NoError(rt, err)
		require.Equal(rt, left, back)
		fresh, err := offlinetest.Write(t.Context(), table, hour(0), readAt(1), left)
		require.NoError(rt, err)
		want := fresh.Files[0]
		require.Equal(rt, []any{want.Rows, want.MinTime, want.MaxTime, want.Stats}, []any{got.File.Rows, got.File.MinTime, got.File.MaxTime, got.File.Stats})
	})
}

func compareUsers(a, b offlinetest.Row) int {
	switch {
	case a.User < b.User:
		return -1
	case a.User > b.User:
		return 1
	}
	return int(a.At - b.At)
}

func TestAFrameMayTouchHundredsOfPartitions(t *testing.T) {
	t.Parallel()
	table, err := delta.New(buckettest.NewMemory(), delta.Options{}).Open(t.Context(), offlinetest.AppendSpec())
	require.NoError(t, err)
	const months = 300 // more than are open at once
	var rows []offlinetest.Ingested
	for _, user := range []string{"a", "b"} {
		for n := range months {
			at := window.FromTime(time.Date(1980, time.Month(1+n), 3, 0, 0, 0, 0, time.UTC))
			rows = append(rows, offlinetest.Ingested{User: user, At: at, N: int64(n), Sequence: 1})
		}
	}
	build, err := offlinetest.Append(t.Context(), table, "wide", rows)
	require.NoError(t, err)
	got, err := offlinetest.ReadIngested(t.Context(), table, build.Files)
	require.NoError(t, err)
	require.Equal(t, rows, got)
	_, err = offlinetest.Append(t.Context(), table, "twice", append(rows, rows[0]))
	require.Error(t, err, "a row that came before, in a file that was ended since")
}

// A row group is encoded when it is full, whatever the size of records.
func TestAppendedRowsAreGrouped(t *testing.T) {
	t.Parallel()
	table, err := delta.New(buckettest.NewMemory(), delta.Options{RowGroupRows: 10}).Open(t.Context(), offlinetest.AppendSpec())
	require.NoError(t, err)
	var rows []offlinetest.Ingested
	for n := range 95 {
		rows = append(rows, offlinetest.Ingested{User: fmt.Sprintf("user-%03d", n), At: noon, Sequence: 1})
	}
	build, err := offlinetest.Append(t.Context(), table, "frame", rows)
	require.NoError(t, err)
	r, err := table.OpenFile(t.Context(), build.Files[0])
	require.NoError(t, err)
	defer func() { require.NoError(t, r.Close()) }()
	for n := range 10 {
		rec, err := r.Next() // a record ends where its row group does
		require.NoError(t, err)
		require.EqualValues(t, min(10, 95-10*n), rec.NumRows())
	}
}
