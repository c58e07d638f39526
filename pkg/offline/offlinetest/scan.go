package offlinetest

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/apache/arrow/go/v15/arrow/memory"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/tilery/tilery/pkg/feature"
	"github.com/tilery/tilery/pkg/offline"
	"github.com/tilery/tilery/pkg/record"
	"github.com/tilery/tilery/pkg/window"
)

func testScan(t *testing.T, d Driver) {
	t.Run("a scan yields the selected columns", func(t *testing.T) { testSelection(t, d) })
	t.Run("a skip leaves out lesser keys only", func(t *testing.T) { testSkip(t, d) })
	t.Run("what a table does not have is refused", func(t *testing.T) {
		s := newScene(t, d)
		f := manyRows(t, s, 1)
		for _, bad := range []offline.Selection{
			{Columns: []string{"n", "none"}}, {Columns: []string{""}}, {Rows: -1}, {Rows: 64<<10 + 1},
		} {
			_, err := s.table.Scan(t.Context(), f, bad)
			require.Error(t, err, "%+v", bad)
			require.NotErrorIs(t, err, offline.ErrCorrupt)
		}
		r, err := s.table.Scan(t.Context(), f, offline.Selection{})
		require.NoError(t, err)
		for _, bad := range [][]byte{nil, {}, {1}, []byte("user-01")} {
			require.ErrorIs(t, r.SkipTo(bad), record.ErrDamagedKey)
		}
		require.NoError(t, r.Close())
		_, err = r.Next()
		require.Equal(t, io.EOF, err)
	})
}

// manyRows writes a file whose rows have few values, so that runs and dictionaries
// come with them, and nulls.
func manyRows(t testing.TB, s *scene, n int) offline.File {
	random := rand.New(rand.NewPCG(uint64(n), 7))
	rows := make([]Row, n)
	for i := range rows {
		rows[i] = row(fmt.Sprintf("user-%03d", random.IntN(300)), random.Int64N(3)-1, hour(0).Start+window.Time(random.IntN(1000)))
		rows[i].N = int64(i)
		if v := random.NormFloat64(); random.IntN(4) != 0 && i%1000 < 700 {
			rows[i].Amount = &v
		}
		if random.IntN(3) == 0 {
			rows[i].Rest = slices.Repeat([]byte{byte(i), 0}, random.IntN(20))
		}
		if random.IntN(3) == 0 {
			rows[i].Tags = slices.Repeat([]string{fmt.Sprint(i % 7)}, 1+random.IntN(3))
		}
		if good := random.IntN(3) == 0; random.IntN(5) != 0 {
			rows[i].Good = &good
		}
	}
	slices.SortFunc(rows, func(a, b Row) int {
		return cmp.Or(cmp.Compare(a.User, b.User), cmp.Compare(a.Item, b.Item), cmp.Compare(a.At, b.At))
	})
	build, err := Write(t.Context(), s.table, hour(0), readAt(1), rows)
	require.NoError(t, err)
	return build.Files[0]
}

func testSelection(t *testing.T, d Driver) {
	s := newScene(t, d)
	f := manyRows(t, s, 3000)
	whole := readWhole(t.Context(), t, s.table, f, offline.Selection{}, nil)
	require.EqualValues(t, f.Rows, whole.NumRows())
	require.True(t, whole.Schema().Equal(s.spec.Schema))
	rapid.Check(t, func(rt *rapid.T) {
		var names []string
		for _, field := range s.spec.Schema.Fields() {
			names = append(names, field.Name)
		}
		names = rapid.Permutation(names).Draw(rt, "columns")[:rapid.IntRange(1, len(names)).Draw(rt, "number")]
		rows := rapid.OneOf(rapid.IntRange(0, 20), rapid.IntRange(1000, 64<<10)).Draw(rt, "rows")
		got := readWhole(t.Context(), rt, s.table, f, offline.Selection{Columns: names, Rows: rows}, func(rec arrow.Record) {
			require.Positive(rt, rec.NumRows())
			require.LessOrEqual(rt, rec.NumRows(), int64(cmp.Or(rows, 64<<10)))
		})
		require.Equal(rt, len(names), int(got.NumCols()))
		for i, name := range names {
			at := s.spec.Schema.FieldIndices(name)[0]
			require.True(rt, got.Schema().Field(i).Equal(s.spec.Schema.Field(at)))
			require.True(rt, array.Equal(whole.Column(at), got.Column(i)), name)
		}
	})
}

// readWhole returns all rows of a file as one record.
func readWhole(ctx context.Context, t require.TestingT, table offline.Table, f offline.File, s offline.Selection, visit func(arrow.Record)) arrow.Record {
	r, err := table.Scan(ctx, f, s)
	require.NoError(t, err)
	var chunks [][]arrow.Array
	var schema *arrow.Schema
	require.NoError(t, each(r, func(rec arrow.Record) {
		if visit != nil {
			visit(rec)
		}
		if schema == nil {
			schema, chunks = rec.Schema(), make([][]arrow.Array, rec.NumCols())
		}
		for i, column := range rec.Columns() {
			own, err := array.Concatenate([]arrow.Array{column}, memory.DefaultAllocator)
			require.NoError(t, err)
			chunks[i] = append(chunks[i], own)
		}
	}))
	columns := make([]arrow.Array, len(chunks))
	for i, parts := range chunks {
		columns[i], err = array.Concatenate(parts, memory.DefaultAllocator)
		require.NoError(t, err)
	}
	return array.NewRecord(schema, columns, -1)
}

// testSkip mixes reading and skipping: of the rows that follow, only those of
// lesser keys may be missing.
func testSkip(t *testing.T, d Driver) {
	s := newScene(t, d)
	f := manyRows(t, s, 2000)
	rows, err := ReadRows(t.Context(), s.table, []offline.File{f})
	require.NoError(t, err)
	keys := make([][]byte, len(rows))
	for i, r := range rows {
		keys[i] = encodeKey(t, s.spec, feature.StringValue(r.User), feature.Int64Value(r.Item))
	}
	rapid.Check(t, func(rt *rapid.T) {
		r, err := s.table.Scan(t.Context(), f, offline.Selection{
			Columns: []string{"n"}, Rows: rapid.SampledFrom([]int{0, 1, 7, 100}).Draw(rt, "rows"),
		})
		require.NoError(rt, err)
		next := 0 // of rows, that was not read yet
		for range rapid.IntRange(1, 10).Draw(rt, "steps") {
			user, item := fmt.Sprintf("user-%03d", rapid.IntRange(-1, 301).Draw(rt, "user")), rapid.Int64Range(-2, 2).Draw(rt, "item")
			key := encodeKey(rt, s.spec, feature.StringValue(user), feature.Int64Value(item))
			if rapid.IntRange(0, 9).Draw(rt, "null") == 0 {
				key = encodeKey(rt, s.spec, feature.Null, feature.Null)
			}
			require.NoError(rt, r.SkipTo(key))
			least, _ := slices.BinarySearchFunc(keys, key, slices.Compare)
			least = max(least, next)
			for range rapid.IntRange(1, 3).Draw(rt, "records") {
				rec, err := r.Next()
				if errors.Is(err, io.EOF) {
					require.GreaterOrEqual(rt, max(least, next), len(rows), "the end comes after the last row")
					next = len(rows)
					continue
				}
				require.NoError(rt, err)
				numbers := rec.Column(0).(*array.Int64).Int64Values()
				first := slices.IndexFunc(rows[next:], func(r Row) bool { return r.N == numbers[0] }) + next
				require.GreaterOrEqual(rt, first, next)
				require.LessOrEqual(rt, first, least)
				for i, n := range numbers {
					require.Equal(rt, rows[first+i].N, n)
				}
				next = first + len(numbers)
				least = max(least, next)
			}
		}
		require.NoError(rt, r.Close())
	})
}

func encodeKey(t require.TestingT, spec offline.Spec, values ...feature.Value) []byte {
	key, err := record.AppendKey(nil, spec.Keys, values)
	require.NoError(t, err)
	return key
}
