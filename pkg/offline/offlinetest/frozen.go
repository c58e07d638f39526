package offlinetest

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/apache/arrow/go/v15/arrow/memory"
	"github.com/stretchr/testify/require"

	"github.com/tilery/tilery/pkg/bucket"
	"github.com/tilery/tilery/pkg/feature"
	"github.com/tilery/tilery/pkg/offline"
	"github.com/tilery/tilery/pkg/record"
)

const frozenPath = "datasets/prod/rides/1/table"

// frozenSchema has a column of each kind, in names as those of features.
var frozenSchema = record.ArrowSchema(feature.Schema{
	{Name: "user", Type: feature.String}, {Name: "at", Type: feature.Timestamp}, {Name: "rides.n_1h", Type: feature.Int64},
	{Name: "rides.mean", Type: feature.Float64}, {Name: "rides.low", Type: feature.Float32}, {Name: "rides.small", Type: feature.Int32},
	{Name: "rides.any", Type: feature.Bool}, {Name: "rides.list", Type: feature.ArrayOf(feature.ArrayOf(feature.String))},
})

// RunFrozen runs the suite of tables that are written once.
func RunFrozen(t *testing.T, newBucket func(testing.TB) bucket.Bucket, open func(bucket.Bucket) offline.FrozenStore) {
	t.Run("rows come back in their order", func(t *testing.T) {
		t.Parallel()
		b := newBucket(t)
		var records []arrow.Record
		for n := range 3 {
			records = append(records, frozenRecord(t, n*1000, 700))
		}
		files := freeze(t, open(b), records...)
		require.Equal(t, frozenText(t, records...), readFrozen(t, open(b), files))
	})
	t.Run("a table without rows has no files", func(t *testing.T) {
		t.Parallel()
		b := newBucket(t)
		require.Empty(t, freeze(t, open(b), frozenRecord(t, 0, 0)))
		require.NotEmpty(t, keys(t, b), "it is there all the same")
	})
	t.Run("nothing is seen of a table that was aborted", func(t *testing.T) {
		t.Parallel()
		b := newBucket(t)
		w, err := open(b).CreateFrozen(t.Context(), frozenPath, frozenSchema)
		require.NoError(t, err)
		require.NoError(t, w.Write(t.Context(), frozenRecord(t, 0, 10)))
		require.NoError(t, w.Abort())
		require.Error(t, w.Write(t.Context(), frozenRecord(t, 0, 10)))
		_, err = w.Close(t.Context())
		require.Error(t, err)
		require.Empty(t, keys(t, b))
	})
	t.Run("one of two tables at a path is there", func(t *testing.T) {
		t.Parallel()
		b := newBucket(t)
		freeze(t, open(b), frozenRecord(t, 0, 10))
		w, err := open(b).CreateFrozen(t.Context(), frozenPath, frozenSchema)
		require.NoError(t, err)
		_, err = w.Close(t.Context())
		require.ErrorIs(t, err, bucket.ErrExists)
	})
	t.Run("files of several writers are one table", func(t *testing.T) {
		t.Parallel()
		b := newBucket(t)
		var all []offline.FrozenFile
		var records []arrow.Record
		for n := range 3 {
			name := fmt.Sprint("share-", n)
			w, err := open(b).CreateFrozen(t.Context(), frozenPath+"/"+name, frozenSchema)
			require.NoError(t, err)
			records = append(records, frozenRecord(t, n*1000, 10*n))
			require.NoError(t, w.Write(t.Context(), records[n]))
			files, err := w.Files(t.Context())
			require.NoError(t, err)
			for _, f := range files {
				f.Path = name + "/" + f.Path
				all = append(all, f)
			}
		}
		require.NoError(t, open(b).CommitFrozen(t.Context(), frozenPath, frozenSchema, all))
		require.Len(t, all, 2, "the first wrote no rows")
		require.Equal(t, frozenText(t, records...), readFrozen(t, open(b), all))
		require.ErrorIs(t, open(b).CommitFrozen(t.Context(), frozenPath, frozenSchema, all), bucket.ErrExists)
	})
	t.Run("what no table can hold is refused", func(t *testing.T) {
		t.Parallel()
		store := open(newBucket(t))
		for _, names := range [][]string{{"a b"}, {"a", "A"}, {""}} {
			var schema feature.Schema
			for _, name := range names {
				schema = append(schema, feature.Field{Name: name, Type: feature.Int64})
			}
			_, err := store.CreateFrozen(t.Context(), frozenPath, record.ArrowSchema(schema))
			require.ErrorIs(t, err, offline.ErrColumns, names)
		}
		w, err := store.CreateFrozen(t.Context(), frozenPath, record.ArrowSchema(feature.Schema{{Name: "a", Type: feature.Int64}}))
		require.NoError(t, err)
		require.ErrorContains(t, w.Write(t.Context(), frozenRecord(t, 0, 1)), "another schema")
		require.NoError(t, w.Abort())
	})
	t.Run("a file that is damaged or missing is corrupt", func(t *testing.T) {
		t.Parallel()
		b := newBucket(t)
		f := freeze(t, open(b), frozenRecord(t, 0, 10))[0]
		other := f
		other.Rows++
		_, err := open(b).OpenFrozen(t.Context(), frozenPath, frozenSchema, other)
		require.ErrorIs(t, err, offline.ErrCorrupt)
		require.NoError(t, b.Delete(t.Context(), frozenPath+"/"+f.Path))
		_, err = open(b).OpenFrozen(t.Context(), frozenPath, frozenSchema, f)
		require.ErrorIs(t, err, offline.ErrCorrupt)
	})
}

func freeze(t *testing.T, store offline.FrozenStore, records ...arrow.Record) []offline.FrozenFile {
	w, err := store.CreateFrozen(t.Context(), frozenPath, frozenSchema)
	require.NoError(t, err)
	for _, rec := range records {
		require.NoError(t, w.Write(t.Context(), rec))
	}
	files, err := w.Close(t.Context())
	require.NoError(t, err)
	return files
}

// frozenRecord makes rows that tell their number, with nulls in all columns.
func frozenRecord(t *testing.T, from, rows int) arrow.Record {
	var out strings.Builder
	for n := from; n < from+rows; n++ {
		if n%7 == 3 {
			out.WriteString("{}\n")
			continue
		}
		fmt.Fprintf(&out, `{"user": "u%d", "at": %d, "rides.n_1h": %d, "rides.mean": %d.5, "rides.low": 0.25, "rides.small": -%d, "rides.any": %t, "rides.list": [["a%d", null], null, []]}`+"\n",
			n, n*1_000_000, n, n, n, n%2 == 0, n)
	}
	if rows == 0 {
		builder := array.NewRecordBuilder(memory.DefaultAllocator, frozenSchema)
		defer builder.Release()
		return builder.NewRecord()
	}
	rec, _, err := array.RecordFromJSON(memory.DefaultAllocator, frozenSchema, strings.NewReader("["+strings.ReplaceAll(strings.TrimSpace(out.String()), "\n", ",")+"]"))
	require.NoError(t, err)
	return rec
}

func readFrozen(t *testing.T, store offline.FrozenStore, files []offline.FrozenFile) string {
	out := ""
	for _, f := range files {
		r, err := store.OpenFrozen(t.Context(), frozenPath, frozenSchema, f)
		require.NoError(t, err)
		for {
			rec, err := r.Next()
			if errors.Is(err, io.EOF) {
				break
			}
			require.NoError(t, err)
			out += frozenText(t, rec)
		}
		require.NoError(t, r.Close())
	}
	return out
}

// frozenText renders rows, one a line.
func frozenText(t *testing.T, records ...arrow.Record) string {
	var out strings.Builder
	for _, rec := range records {
		require.NoError(t, array.RecordToJSON(rec, &out))
	}
	return out.String()
}

func keys(t *testing.T, b bucket.Bucket) []string {
	var out []string
	for info, err := range b.List(t.Context(), "", "") {
		require.NoError(t, err)
		out = append(out, info.Key)
	}
	return out
}
