package aggregate_test

import (
	"bytes"
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/apache/arrow/go/v15/arrow/memory"
	"github.com/stretchr/testify/require"

	"github.com/tilery/tilery/pkg/aggregate"
	"github.com/tilery/tilery/pkg/feature"
)

// statesOf returns a layout of functions over a column v of a type, and empty
// states of groups.
func statesOf(of feature.Type, groups int, functions ...feature.Function) *aggregate.States {
	var all []feature.Aggregation
	for _, f := range functions {
		all = append(all, feature.Aggregation{Column: "v", Function: f})
	}
	l, err := aggregate.NewLayout(all, feature.Schema{{Name: "v", Type: of}})
	if err != nil {
		panic(err) //nolint:forbidigo // the functions of these tests are constants
	}
	s := l.NewStates()
	s.Grow(groups)
	return s
}

// addToFirst adds all of values to group 0.
func addToFirst(s *aggregate.States, values arrow.Array) {
	groups := make([]int32, values.Len())
	s.Add(groups, make([]arrow.Timestamp, len(groups)), []arrow.Array{values})
}

func integersFrom(first, n int) arrow.Array {
	b := array.NewInt64Builder(memory.DefaultAllocator)
	for i := range n {
		b.Append(int64(first + i))
	}
	return b.NewArray()
}

// TestEstimatesOfDistinctValuesAreWithinFourStandardErrors leaves out what is exact.
func TestEstimatesOfDistinctValuesAreWithinFourStandardErrors(t *testing.T) {
	t.Parallel()
	const seed = 7
	random := rand.New(rand.NewPCG(seed, seed))
	for _, precision := range []int{4, 8, 12, 16} {
		standardError := 1.04 / math.Sqrt(float64(int(1)<<precision))
		worst := 0.0
		for _, n := range []int{1000, 10_000, 100_000, 1_000_000} {
			s := statesOf(feature.Int64, 1, feature.ApproxCountDistinctOf(precision))
			addToFirst(s, integersFrom(random.Int(), n))
			off := float64(s.Finish(0, 0).Int64())/float64(n) - 1
			require.LessOrEqual(t, math.Abs(off), 4*standardError, "precision %d, %d values, seed %d", precision, n, seed)
			worst = max(worst, math.Abs(off))
		}
		t.Logf("precision %d: off by up to %.2f%%, standard error %.2f%%, seed %d", precision, 100*worst, 100*standardError, seed)
	}
}

func TestUpTo64DistinctValuesAreCounted(t *testing.T) {
	t.Parallel()
	s := statesOf(feature.String, 2, feature.ApproxCountDistinctOf(4))
	b := array.NewStringBuilder(memory.DefaultAllocator)
	for i := range 640 {
		b.Append(fmt.Sprint("value ", i%64))
	}
	addToFirst(s, b.NewArray())
	require.Equal(t, feature.Int64Value(64), s.Finish(0, 0))
	require.Len(t, s.AppendEncoded(nil, 0), 2+64*8)

	s.Merge(0, s, 0)
	require.Equal(t, feature.Int64Value(64), s.Finish(0, 0))

	b.Append("another")
	addToFirst(s, b.NewArray())
	require.Len(t, s.AppendEncoded(nil, 0), 2+16, "registers")
	before := s.AppendEncoded(nil, 0)
	s.Merge(0, s, 0)
	require.Equal(t, before, s.AppendEncoded(nil, 0))
}

func TestDistinctValuesOfNullsAreNull(t *testing.T) {
	t.Parallel()
	for _, f := range []feature.Function{feature.ApproxCountDistinct, feature.ApproxPercentile(0.5, 0)} {
		s := statesOf(feature.Int64, 1, f)
		addToFirst(s, array.MakeArrayOfNull(memory.DefaultAllocator, arrow.PrimitiveTypes.Int64, 3))
		require.True(t, s.Present(0))
		require.True(t, s.Finish(0, 0).IsNull())
	}
}

// TestSketchesTakeNoMemoryPerRow adds the same rows to memory that has seen them.
func TestSketchesTakeNoMemoryPerRow(t *testing.T) {
	const groups, rows = 50, 50_000
	random := rand.New(rand.NewPCG(1, 1))
	into := make([]int32, rows)
	times := make([]arrow.Timestamp, rows)
	integers, numbers, texts := array.NewInt64Builder(memory.DefaultAllocator), array.NewFloat64Builder(memory.DefaultAllocator), array.NewStringBuilder(memory.DefaultAllocator)
	for i := range into {
		into[i] = int32(groups * random.Float64() * random.Float64()) // some stay small
		integers.Append(int64(random.IntN(1000)))
		numbers.Append(random.NormFloat64() * 1000)
		texts.Append(fmt.Sprint(random.IntN(1000)))
	}
	for of, values := range map[feature.Type]arrow.Array{feature.Int64: integers.NewArray(), feature.Float64: numbers.NewArray(), feature.String: texts.NewArray()} {
		for _, f := range []feature.Function{feature.ApproxCountDistinctOf(4), feature.ApproxCountDistinctOf(12), feature.ApproxPercentile(0.5, 0), feature.ApproxPercentile(0.5, 500)} {
			if _, err := f.Output(of); err != nil {
				continue
			}
			s := statesOf(of, groups, f)
			input := []arrow.Array{values}
			var sizes []int64
			add := func() {
				s.Reset()
				s.Grow(groups)
				s.Add(into, times, input)
				sizes = append(sizes[:min(len(sizes), 1)], s.Bytes())
			}
			add()
			require.Zero(t, testing.AllocsPerRun(3, add), "%s of %s", f, of)
			require.Equal(t, sizes[0], sizes[1], "bytes are a function of the rows")
		}
	}
}

func TestDamagedSetsOfHashesAreRefused(t *testing.T) {
	t.Parallel()
	hash := func(b byte) []byte { return []byte{0, 0, 0, 0, 0, 0, 0, b} }
	registers := func(b byte) []byte { return append(bytes.Repeat([]byte{0}, 15), b) }
	good := [][]byte{
		append([]byte{1}, hash(9)...),
		append(append([]byte{2}, hash(1)...), hash(2)...),
		append([]byte{65}, registers(61)...),
	}
	damaged := [][]byte{
		{},
		{1},
		append(append([]byte{2}, hash(2)...), hash(1)...),
		append(append([]byte{2}, hash(1)...), hash(1)...),
		append([]byte{65}, registers(0)...),
		append([]byte{65}, registers(62)...),
		append([]byte{65}, registers(1)[1:]...),
		append([]byte{66}, registers(1)...),
		append([]byte{0x81, 0}, hash(9)...),
	}
	requireStrict(t, statesOf(feature.Int64, 1, feature.ApproxCountDistinctOf(4)), good, damaged)
}

// requireStrict reads encodings of s's one partial, without the version, as a group
// and as a tile column.
func requireStrict(t *testing.T, s *aggregate.States, good, damaged [][]byte) {
	t.Helper()
	read := func(body []byte) (group, column error) {
		data := append([]byte{1}, body...)
		s.Reset()
		s.Grow(2)
		_, group = s.MergeEncoded(0, data)
		b := array.NewBinaryBuilder(memory.DefaultAllocator, arrow.BinaryTypes.Binary)
		b.Append(data)
		return group, s.MergeColumns([]int32{1}, []arrow.Array{b.NewArray()})
	}
	for _, body := range good {
		group, column := read(body)
		require.NoError(t, group, "%x", body)
		require.NoError(t, column, "%x", body)
		require.Equal(t, append([]byte{1}, body...), s.AppendEncoded(nil, 0))
		require.Equal(t, append([]byte{1}, body...), s.AppendEncoded(nil, 1))
		_, column = read(append(body[:len(body):len(body)], 0))
		require.ErrorIs(t, column, aggregate.ErrDamaged, "a byte too many")
	}
	for _, body := range damaged {
		group, column := read(body)
		require.ErrorIs(t, group, aggregate.ErrDamaged, "%x", body)
		require.ErrorIs(t, column, aggregate.ErrDamaged, "%x", body)
	}
	group, column := read([]byte{0})
	require.NoError(t, group, "nothing")
	require.ErrorIs(t, column, aggregate.ErrDamaged, "nothing is null")
}
