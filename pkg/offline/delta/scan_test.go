package delta_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"testing"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/apache/arrow/go/v15/arrow/memory"
	"github.com/stretchr/testify/require"

	"github.com/tilery/tilery/pkg/bucket"
	"github.com/tilery/tilery/pkg/feature"
	"github.com/tilery/tilery/pkg/offline"
	"github.com/tilery/tilery/pkg/offline/delta"
	"github.com/tilery/tilery/pkg/record"
	"github.com/tilery/tilery/pkg/window"
)

// reads is a bucket that notes which ranges are read.
type reads struct {
	bucket.Bucket
	mu     sync.Mutex
	ranges [][2]int64
	fail   error
}

func (r *reads) GetRange(ctx context.Context, key string, offset, length int64) ([]byte, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.fail != nil {
		return nil, r.fail
	}
	r.ranges = append(r.ranges, [2]int64{offset, offset + length})
	return r.Bucket.GetRange(ctx, key, offset, length)
}

// groupsRead returns how many columns were read of each row group.
func (r *reads) groupsRead(t *testing.T, spec offline.Spec, f offline.File) map[int]int {
	footer := openParquetAt(t, r.Bucket, spec.Path+"/"+f.Path).MetaData()
	out := map[int]int{}
	for i := range footer.RowGroups {
		for j := range footer.Schema.NumColumns() {
			chunk, err := footer.RowGroup(i).ColumnChunk(j)
			require.NoError(t, err)
			for _, span := range r.ranges {
				// The end of the file is read for its footer, whatever lies there.
				if at := chunk.DataPageOffset(); span[0] <= at && at < span[1] && span[1] < f.Size {
					out[i]++
				}
			}
		}
	}
	return out
}

// writeNumbered writes rows with the keys "0000", "0001" and so on, or their numbers.
func writeNumbered(t *testing.T, b bucket.Bucket, text bool, rows int) (offline.Table, offline.File) {
	spec := scanSpec()
	if !text {
		fields := spec.Schema.Fields()
		fields[0].Type = arrow.PrimitiveTypes.Int64
		spec.Schema = arrow.NewSchema(fields, nil)
		spec.Keys = []feature.Field{{Name: "user", Type: feature.Int64}}
	}
	table, err := delta.New(b, delta.Options{RowGroupRows: 100}).Open(t.Context(), spec)
	require.NoError(t, err)
	start := spec.Partition.Interval(noon).Start
	builder := array.NewRecordBuilder(memory.DefaultAllocator, spec.Schema)
	for i := range rows {
		if text {
			builder.Field(0).(*array.StringBuilder).Append(fmt.Sprintf("%04d", i))
		} else {
			builder.Field(0).(*array.Int64Builder).Append(int64(i - 500))
		}
		builder.Field(1).(*array.TimestampBuilder).Append(arrow.Timestamp(start))
		builder.Field(2).(*array.Int64Builder).Append(int64(i))
		builder.Field(3).AppendNull()
		builder.Field(4).(*array.Float64Builder).Append(float64(i))
	}
	w, err := table.NewWriter(t.Context(), window.Interval{Start: start, End: start.Add(spec.Step)}, readAt(1), "attempt")
	require.NoError(t, err)
	require.NoError(t, w.Write(builder.NewRecord()))
	built, err := w.Close(t.Context())
	require.NoError(t, err)
	return table, built.Files[0]
}

func TestNothingIsReadOfSkippedRowGroupsAndOtherColumns(t *testing.T) {
	t.Parallel()
	for _, text := range []bool{true, false} {
		b := &reads{Bucket: newBucket(t)}
		table, f := writeNumbered(t, b, text, 1000)
		r, err := table.Scan(t.Context(), f, offline.Selection{Columns: []string{"clicks", "user"}, Rows: 60})
		require.NoError(t, err)
		require.Empty(t, b.groupsRead(t, table.Spec(), f), "a scan that was opened has read the footer only")

		skip := func(row int) {
			key := feature.Int64Value(int64(row - 500))
			if text {
				key = feature.StringValue(fmt.Sprintf("%04d", row))
			}
			encoded, err := record.AppendKey(nil, table.Spec().Keys, []feature.Value{key})
			require.NoError(t, err)
			require.NoError(t, r.SkipTo(encoded))
		}
		next := func(first, rows int) {
			rec, err := r.Next()
			require.NoError(t, err)
			require.EqualValues(t, rows, rec.NumRows())
			require.EqualValues(t, first, rec.Column(0).(*array.Int64).Value(0))
		}
		skip(250)
		next(200, 60)
		skip(299) // the last of its row group
		next(260, 40)
		skip(450)
		next(400, 60)
		skip(300)
		next(460, 40)
		skip(710)
		skip(905)
		next(900, 60)
		skip(1000)
		_, err = r.Next()
		require.ErrorIs(t, err, io.EOF)
		require.NoError(t, r.Close())
		require.Equal(t, map[int]int{2: 2, 4: 2, 9: 2}, b.groupsRead(t, table.Spec(), f))
	}
}

func TestAnErrorOfTheBucketIsNoDamage(t *testing.T) {
	t.Parallel()
	b := &reads{Bucket: newBucket(t)}
	table, f := writeNumbered(t, b, true, 200)
	r, err := table.Scan(t.Context(), f, offline.Selection{})
	require.NoError(t, err)
	b.fail = errors.New("no network")
	_, err = r.Next()
	require.ErrorIs(t, err, b.fail)
	require.NotErrorIs(t, err, offline.ErrCorrupt)
	require.NoError(t, r.Close())
}
