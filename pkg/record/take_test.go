package record_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/apache/arrow/go/v15/arrow/memory"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/tilery/tilery/pkg/feature"
	"github.com/tilery/tilery/pkg/record"
)

// takenTypes are the types that rows are taken of.
var takenTypes = func() []arrow.DataType {
	types := []arrow.DataType{arrow.Null, arrow.BinaryTypes.Binary}
	for _, t := range []feature.Type{
		feature.Bool, feature.Int32, feature.Int64, feature.Float32, feature.Float64, feature.String, feature.Timestamp,
	} {
		types = append(types, record.ArrowType(t), record.ArrowType(feature.ArrayOf(t)))
	}
	return append(types, record.ArrowType(feature.ArrayOf(feature.ArrayOf(feature.String))))
}()

// columnOf returns a column of random values, of which some are null if asked
// for, as a slice of a longer one.
func columnOf(random *rand.Rand, t arrow.DataType, rows int, nulls bool) arrow.Array {
	before := random.IntN(10)
	builder := array.NewBuilder(memory.DefaultAllocator, t)
	for range before + rows + random.IntN(3) {
		appendRandom(random, builder, nulls)
	}
	return array.NewSlice(builder.NewArray(), int64(before), int64(before+rows))
}

func appendRandom(random *rand.Rand, builder array.Builder, nulls bool) {
	if nulls && random.IntN(3) == 0 {
		builder.AppendNull()
		return
	}
	text := make([]byte, random.IntN(4))
	for i := range text {
		text[i] = byte('a' + random.IntN(3))
	}
	switch b := builder.(type) {
	case *array.NullBuilder:
		b.AppendNull()
	case *array.BooleanBuilder:
		b.Append(random.IntN(2) == 0)
	case *array.Int32Builder:
		b.Append(random.Int32())
	case *array.Int64Builder:
		b.Append(random.Int64())
	case *array.Float32Builder:
		b.Append(math.Float32frombits(random.Uint32() &^ (1 << 23))) // no NaN
	case *array.Float64Builder:
		b.Append(math.Float64frombits(random.Uint64() &^ (1 << 52)))
	case *array.TimestampBuilder:
		b.Append(arrow.Timestamp(random.Int64()))
	case *array.StringBuilder:
		b.Append(string(text))
	case *array.BinaryBuilder:
		b.Append(text)
	case *array.ListBuilder:
		b.Append(true)
		for range random.IntN(4) {
			appendRandom(random, b.ValueBuilder(), nulls)
		}
	}
}

// oneByOne is TakeChunks by slices of one row each.
func oneByOne(t require.TestingT, columns []arrow.Array, places []record.Place) arrow.Array {
	of := columns[0].DataType()
	parts := []arrow.Array{array.NewBuilder(memory.DefaultAllocator, of).NewArray()}
	for _, p := range places {
		part := array.MakeArrayOfNull(memory.DefaultAllocator, of, 1)
		if p >= 0 {
			row := int64(p & math.MaxUint32)
			part = array.NewSlice(columns[p>>32], row, row+1)
		}
		parts = append(parts, part)
	}
	whole, err := array.Concatenate(parts, memory.DefaultAllocator)
	require.NoError(t, err)
	return whole
}

func TestTakeGivesTheRowsInTheirOrder(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		random := rand.New(rand.NewPCG(rapid.Uint64().Draw(rt, "seed"), 0))
		of := rapid.SampledFrom(takenTypes).Draw(rt, "type")
		columns := make([]arrow.Array, rapid.IntRange(1, 4).Draw(rt, "columns"))
		var all []record.Place
		for i := range columns {
			rows := rapid.IntRange(0, 20).Draw(rt, "rows")
			columns[i] = columnOf(random, of, rows, rapid.Bool().Draw(rt, "nulls"))
			for row := range rows {
				all = append(all, record.PlaceOf(int32(i), int32(row)))
			}
		}
		if len(all) == 0 || rapid.Bool().Draw(rt, "misses") {
			all = append(all, -1)
		}
		places := rapid.SliceOfN(rapid.SampledFrom(all), 0, 40).Draw(rt, "places")
		got, err := record.TakeChunks(columns, places)
		require.NoError(rt, err)
		requireTaken(rt, oneByOne(rt, columns, places), got)

		rows := make([]int32, 0, len(places))
		inFirst := places[:0]
		for _, p := range places {
			if p>>32 <= 0 {
				rows, inFirst = append(rows, int32(p)), append(inFirst, p)
			}
		}
		got, err = record.Take(columns[0], rows)
		require.NoError(rt, err)
		requireTaken(rt, oneByOne(rt, columns[:1], inFirst), got)
	})
}

func requireTaken(t require.TestingT, want, got arrow.Array) {
	require.True(t, arrow.TypeEqual(want.DataType(), got.DataType()), got.DataType())
	require.True(t, array.Equal(want, got), "want %v, got %v", want, got)
	require.Equal(t, want.NullN(), got.NullN())
	require.Zero(t, got.Data().Offset())
	again, err := array.Concatenate([]arrow.Array{got, got}, memory.DefaultAllocator)
	require.NoError(t, err, "its buffers are whole")
	require.Equal(t, 2*want.Len(), again.Len())
}

func TestTakenRowsShareNoMemory(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(1, 2))
	for _, of := range takenTypes {
		column := columnOf(random, of, 20, true)
		rows := random.Perm(20)
		taken, err := record.Take(column, []int32{int32(rows[0]), -1, int32(rows[1])})
		require.NoError(t, err)
		before := fmt.Sprint(taken)
		scribble(column.Data())
		require.Equal(t, before, fmt.Sprint(taken), of)
	}
}

func scribble(data arrow.ArrayData) {
	for _, buffer := range data.Buffers() {
		if buffer != nil {
			for i := range buffer.Bytes() {
				buffer.Bytes()[i] ^= 0x55
			}
		}
	}
	for _, child := range data.Children() {
		scribble(child)
	}
}

func TestTakeRefusesWhatNoColumnHolds(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(1, 2))
	ints, floats := columnOf(random, arrow.PrimitiveTypes.Int64, 1, false), columnOf(random, arrow.PrimitiveTypes.Float64, 1, false)
	_, err := record.TakeChunks(nil, nil)
	require.ErrorIs(t, err, record.ErrTake)
	_, err = record.TakeChunks([]arrow.Array{ints, floats}, nil)
	require.ErrorIs(t, err, record.ErrTake)
	_, err = record.Take(array.MakeArrayOfNull(memory.DefaultAllocator, arrow.PrimitiveTypes.Date32, 1), nil)
	require.ErrorIs(t, err, record.ErrTake)

	builder := array.NewStringBuilder(memory.DefaultAllocator)
	builder.Append(string(make([]byte, 1<<20)))
	long := builder.NewArray()
	_, err = record.Take(long, make([]int32, 1<<11))
	require.ErrorIs(t, err, record.ErrTake, "2 GiB")
}

func TestTakeColumnsAndTakeRecordTakeOfEachColumn(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(1, 2))
	const n = 20
	var columns []arrow.Array
	var fields []arrow.Field
	for i, of := range takenTypes {
		columns = append(columns, columnOf(random, of, n, true))
		fields = append(fields, arrow.Field{Name: fmt.Sprint("c", i), Type: of, Nullable: true})
	}
	rec := array.NewRecord(arrow.NewSchema(fields, nil), columns, n)
	for _, rows := range [][]int32{{}, {3}, {19, -1, 0, 0, 7}} {
		want := make([]arrow.Array, len(columns))
		for i, column := range columns {
			var err error
			want[i], err = record.Take(column, rows)
			require.NoError(t, err)
		}
		got, err := record.TakeColumns(columns, rows)
		require.NoError(t, err)
		taken, err := record.TakeRecord(rec, rows)
		require.NoError(t, err)
		require.Equal(t, int64(len(rows)), taken.NumRows())
		require.True(t, rec.Schema().Equal(taken.Schema()))
		require.Len(t, got, len(want))
		for i := range want {
			requireTaken(t, want[i], got[i])
			requireTaken(t, want[i], taken.Column(i))
		}
	}
}

func TestTakeRecordNamesTheColumnThatCannotBeTaken(t *testing.T) {
	t.Parallel()
	columns := []arrow.Array{
		array.MakeArrayOfNull(memory.DefaultAllocator, arrow.PrimitiveTypes.Int64, 1),
		array.MakeArrayOfNull(memory.DefaultAllocator, arrow.PrimitiveTypes.Date32, 1),
	}
	_, err := record.TakeColumns(columns, []int32{0})
	require.ErrorIs(t, err, record.ErrTake)
	rec := array.NewRecord(arrow.NewSchema([]arrow.Field{
		{Name: "number", Type: arrow.PrimitiveTypes.Int64, Nullable: true}, {Name: "day", Type: arrow.PrimitiveTypes.Date32, Nullable: true},
	}, nil), columns, 1)
	_, err = record.TakeRecord(rec, []int32{0})
	require.ErrorIs(t, err, record.ErrTake)
	require.ErrorContains(t, err, "column day: ")
}

func TestTakeAllocatesPerColumnNotPerRow(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for _, of := range takenTypes {
		columns := []arrow.Array{columnOf(random, of, 500, true), columnOf(random, of, 500, true)}
		rows, places := make([]int32, 1000), make([]record.Place, 1000)
		for i := range rows {
			rows[i] = random.Int32N(501) - 1
			places[i] = record.PlaceOf(random.Int32N(2), random.Int32N(500))
		}
		limit := 20.0
		if list, ok := of.(*arrow.ListType); ok {
			limit *= 2
			if _, deep := list.Elem().(*arrow.ListType); deep {
				limit *= 2
			}
		}
		require.Less(t, testing.AllocsPerRun(5, func() { _, _ = record.Take(columns[0], rows) }), limit, of)
		require.Less(t, testing.AllocsPerRun(5, func() { _, _ = record.TakeChunks(columns, places) }), limit, of)
	}
}

func BenchmarkTake(b *testing.B) {
	random := rand.New(rand.NewPCG(1, 2))
	const rows = 1 << 20
	for _, of := range []arrow.DataType{arrow.PrimitiveTypes.Float64, arrow.BinaryTypes.String} {
		for _, nulls := range []bool{false, true} {
			column := columnOf(random, of, rows, nulls)
			order := make([]int32, rows)
			places := make([]record.Place, rows)
			for i, row := range random.Perm(rows) {
				order[i], places[i] = int32(row), record.PlaceOf(int32(row>>12), int32(row&4095))
			}
			chunks := make([]arrow.Array, 0, rows>>12)
			for i := 0; i < rows; i += 4096 {
				chunks = append(chunks, array.NewSlice(column, int64(i), int64(i+4096)))
			}
			b.Run(fmt.Sprintf("%s/nulls=%v/one", of, nulls), func(b *testing.B) {
				for range b.N {
					_, err := record.Take(column, order)
					require.NoError(b, err)
				}
				b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*rows), "ns/row")
			})
			b.Run(fmt.Sprintf("%s/nulls=%v/chunks", of, nulls), func(b *testing.B) {
				for range b.N {
					_, err := record.TakeChunks(chunks, places)
					require.NoError(b, err)
				}
				b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*rows), "ns/row")
			})
		}
	}
}
