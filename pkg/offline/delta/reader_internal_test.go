package delta

import (
	"encoding/binary"
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/apache/arrow/go/v15/arrow/bitutil"
	"github.com/apache/arrow/go/v15/arrow/memory"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/tilery/tilery/pkg/bucket/buckettest"
	"github.com/tilery/tilery/pkg/feature"
	"github.com/tilery/tilery/pkg/offline"
	"github.com/tilery/tilery/pkg/window"
)

// flatTypes are those that flatColumn reads.
var flatTypes = []arrow.DataType{
	arrow.FixedWidthTypes.Boolean, arrow.PrimitiveTypes.Int32, arrow.PrimitiveTypes.Float32, arrow.PrimitiveTypes.Int64,
	arrow.PrimitiveTypes.Float64, arrow.FixedWidthTypes.Timestamp_us, arrow.BinaryTypes.String, arrow.BinaryTypes.Binary,
}

// flatSpec has a key, the time, and two columns of each flat type: one with nulls, one without.
func flatSpec() offline.Spec {
	fields := []arrow.Field{
		{Name: "key", Type: arrow.PrimitiveTypes.Int64, Nullable: true}, {Name: "at", Type: arrow.FixedWidthTypes.Timestamp_us},
	}
	for i, of := range flatTypes {
		fields = append(fields,
			arrow.Field{Name: fmt.Sprint("required-", i), Type: of}, arrow.Field{Name: fmt.Sprint("nullable-", i), Type: of, Nullable: true})
	}
	return offline.Spec{
		Path: "flat", Keys: []feature.Field{{Name: "key", Type: feature.Int64}}, Time: "at",
		Schema: arrow.NewSchema(fields, nil), Step: 24 * time.Hour, Partition: window.Day,
	}
}

// flatValue appends the n-th of a column's values.
func flatValue(builder array.Builder, n uint64) {
	switch b := builder.(type) {
	case *array.BooleanBuilder:
		b.Append(n%2 == 0)
	case *array.Int32Builder:
		b.Append(int32(n))
	case *array.Float32Builder:
		b.Append(math.Float32frombits(uint32(n)))
	case *array.Int64Builder:
		b.Append(int64(n))
	case *array.Float64Builder:
		b.Append(math.Float64frombits(n))
	case *array.TimestampBuilder:
		b.Append(arrow.Timestamp(n))
	case *array.StringBuilder:
		b.Append(fmt.Sprintf("%*d", n%20, n))
	case *array.BinaryBuilder:
		b.Append(binary.LittleEndian.AppendUint64(nil, n)[:n%9])
	}
}

// flatRecord has stretches of many and of few values, of equal ones, and of nulls,
// so that pages are written in all ways.
func flatRecord(spec offline.Spec, random *rand.Rand, start window.Time, rows int) arrow.Record {
	b := array.NewRecordBuilder(memory.DefaultAllocator, spec.Schema)
	for i := range rows {
		b.Field(0).(*array.Int64Builder).Append(int64(i))
		b.Field(1).(*array.TimestampBuilder).Append(arrow.Timestamp(start))
	}
	for i, field := range spec.Schema.Fields()[2:] {
		builder := b.Field(i + 2)
		for builder.Len() < rows {
			values, nulls := []uint64{1, 2, 300, 1 << 20, math.MaxUint64}[random.IntN(5)], random.IntN(4)*random.IntN(4)
			for range min(1+random.IntN(rows), rows-builder.Len()) {
				if field.Nullable && random.IntN(9) < nulls {
					builder.AppendNull()
				} else {
					flatValue(builder, random.Uint64N(values))
				}
			}
		}
	}
	return b.NewRecord()
}

func TestFlatColumnsAreReadAsArrowReadsThem(t *testing.T) {
	t.Parallel()
	spec := flatSpec()
	rapid.Check(t, func(rt *rapid.T) {
		random := rand.New(rand.NewPCG(rapid.Uint64().Draw(rt, "seed"), 0))
		b := buckettest.NewMemory()
		opened, err := New(b, Options{ScratchDir: t.TempDir(), RowGroupRows: rapid.Int64Range(500, 8000).Draw(rt, "rows of a group")}).Open(t.Context(), spec)
		require.NoError(rt, err)
		day := window.Interval{Start: 0, End: window.Time(0).Add(spec.Step)}
		w, err := opened.NewWriter(t.Context(), day, 1, "attempt")
		require.NoError(rt, err)
		require.NoError(rt, w.Write(flatRecord(spec, random, day.Start, rapid.IntRange(1, 8000).Draw(rt, "rows"))))
		built, err := w.Close(t.Context())
		require.NoError(rt, err)

		batch := rapid.OneOf(rapid.IntRange(200, 8000), rapid.Just(0)).Draw(rt, "rows of a record")
		ours, err := opened.Scan(t.Context(), built.Files[0], offline.Selection{Rows: batch})
		require.NoError(rt, err)
		theirs, err := openReader(t.Context(), b, spec, built.Files[0], offline.Selection{Rows: batch})
		require.NoError(rt, err)
		for i := range theirs.columns {
			require.IsType(rt, &flatColumn{}, ours.(*reader).columns[i])
			theirs.columns[i] = &arrowColumn{reader: theirs, field: i}
		}
		for {
			want, wantErr := theirs.Next()
			got, err := ours.Next()
			require.Equal(rt, wantErr, err)
			if err != nil {
				break
			}
			require.Equal(rt, want.NumRows(), got.NumRows())
			for i, column := range want.Columns() {
				requireSame(rt, column, got.Column(i))
			}
		}
		require.NoError(rt, ours.Close())
		require.NoError(rt, theirs.Close())
	})
}

// requireSame demands equal values, and NaNs of equal bits.
func requireSame(t require.TestingT, want, got arrow.Array) {
	require.Equal(t, want.NullN(), got.NullN())
	switch w := want.(type) {
	case *array.Float32:
		want, got = asNumbers(arrow.PrimitiveTypes.Uint32, want), asNumbers(arrow.PrimitiveTypes.Uint32, got)
	case *array.Float64:
		want, got = asNumbers(arrow.PrimitiveTypes.Uint64, want), asNumbers(arrow.PrimitiveTypes.Uint64, got)
	case *array.String:
		require.Equal(t, w.Len()+1, len(got.(*array.String).ValueOffsets()))
	}
	require.True(t, array.Equal(want, got), "want %v, got %v", want, got)
}

func asNumbers(of arrow.DataType, column arrow.Array) arrow.Array {
	data := column.Data()
	return array.MakeFromData(array.NewData(of, data.Len(), data.Buffers(), nil, data.NullN(), data.Offset()))
}

// encodeHybrid encodes numbers by runs of random kinds.
func encodeHybrid(random *rand.Rand, numbers []uint32, width int) (out []byte) {
	for len(numbers) > 0 {
		same := 1
		for same < len(numbers) && numbers[same] == numbers[0] {
			same++
		}
		if same > 1+random.IntN(20) {
			out = binary.AppendUvarint(out, uint64(same)<<1)
			out = append(out, binary.LittleEndian.AppendUint32(nil, numbers[0])[:(width+7)/8]...)
			numbers = numbers[same:]
			continue
		}
		groups := min(1+random.IntN(5), (len(numbers)+7)/8)
		out = binary.AppendUvarint(out, uint64(groups)<<1|1)
		packed := make([]byte, groups*width)
		for i, n := range numbers[:min(8*groups, len(numbers))] {
			for bit := range width {
				packed[(i*width+bit)/8] |= byte(n>>bit&1) << ((i*width + bit) % 8)
			}
		}
		out = append(out, packed...)
		numbers = numbers[min(8*groups, len(numbers)):]
	}
	return out
}

func TestRunsAreDecodedInAnyPortions(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		random := rand.New(rand.NewPCG(rapid.Uint64().Draw(rt, "seed"), 0))
		width := rapid.IntRange(0, 32).Draw(rt, "width")
		numbers := make([]uint32, rapid.IntRange(0, 500).Draw(rt, "numbers"))
		for i := range numbers {
			if numbers[i] = random.Uint32() & uint32(1<<width-1); i > 0 && random.IntN(3) > 0 {
				numbers[i] = numbers[i-1]
			}
		}
		data := encodeHybrid(random, numbers, width)
		h, err := newHybrid(data, width)
		require.NoError(rt, err)
		levels, got, bitmap := h, []uint32{}, make([]byte, 100)
		for len(got) < len(numbers) {
			part := make([]uint32, min(rapid.IntRange(1, 100).Draw(rt, "portion"), len(numbers)-len(got)))
			require.NoError(rt, h.decode(part))
			if width == 1 {
				set, err := levels.decodeBits(bitmap, len(got), len(part))
				require.NoError(rt, err)
				for i, n := range part {
					require.Equal(rt, n == 1, bitutil.BitIsSet(bitmap, len(got)+i))
					set -= int(n)
				}
				require.Zero(rt, set)
			}
			got = append(got, part...)
		}
		require.Equal(rt, numbers, got)
	})
}

func FuzzRunsOfAnyBytes(f *testing.F) {
	f.Add([]byte{0x03, 0x88, 0xc6, 0xfa}, 3)
	f.Add([]byte{0x10, 0x01}, 1)
	f.Add([]byte{0xff, 0xff, 0xff, 0xff, 0x0f, 0x01}, 32)
	f.Fuzz(func(_ *testing.T, data []byte, width int) {
		if width < 0 || width > 255 {
			return
		}
		h, err := newHybrid(data, width)
		if err != nil {
			return
		}
		_ = h.decode(make([]uint32, 1000))
	})
}
