package aggregate_test

import (
	"math"
	"slices"
	"testing"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/stretchr/testify/require"

	"github.com/tilery/tilery/pkg/aggregate"
	"github.com/tilery/tilery/pkg/feature"
)

func TestSumsOfSquaresThatNoRowsMakeAreDamaged(t *testing.T) {
	t.Parallel()
	null := arrayOf[[]byte](nil)
	for name, c := range map[string]struct {
		sum, rest arrow.Array
	}{
		"a negative sum":                {arrayOf[int64](-1), null},
		"a sum twice":                   {arrayOf[int64](1), arrayOf([]byte{1, 9, 0x80, 0, 0, 0, 0, 0, 0, 0})},
		"a rest that fits":              {nullOf(arrow.PrimitiveTypes.Int64), arrayOf([]byte{1, 2, 7})},
		"a rest with leading zeros":     {nullOf(arrow.PrimitiveTypes.Int64), arrayOf([]byte{1, 10, 0, 0x80, 0, 0, 0, 0, 0, 0, 0})},
		"a rest of 24 bytes":            {nullOf(arrow.PrimitiveTypes.Int64), arrayOf(slices.Concat([]byte{1, 25}, slices.Repeat([]byte{1}, 24)))},
		"a rest that goes on":           {nullOf(arrow.PrimitiveTypes.Int64), arrayOf([]byte{1, 9, 0x80, 0, 0, 0, 0, 0, 0, 0, 0})},
		"a negative double":             {arrayOf(-1.0), null},
		"a negative double with a rest": {arrayOf(-1.0), arrayOf([]byte{1, 1, 1, 0, 1})},
		"a negative zero":               {arrayOf(math.Copysign(0, -1)), null},
		"an infinity without a rest":    {arrayOf(math.Inf(1)), null},
		"a rest without a sum":          {nullOf(arrow.PrimitiveTypes.Float64), arrayOf([]byte{1, 1, 1, 0, 1})},
		"a rest of zero":                {arrayOf(1.0), arrayOf([]byte{1, 1, 0})},
		"no rest":                       {arrayOf(1.0), arrayOf([]byte{1, 0})},
		"a rest above half a place":     {arrayOf(1.0), arrayOf([]byte{1, 1, 1, 0xe4, 16, 1})},
		"a rest that makes it negative": {arrayOf(0.0), arrayOf([]byte{1, 5, 1, 0, 1})},
		"-Inf":                          {arrayOf(math.Inf(-1)), arrayOf([]byte{1, 3, 0, 0, 1, 0})},
		"more than 2^56 squares":        {arrayOf(math.Inf(1)), arrayOf([]byte{1, 1, 1, 0x9c, 33, 1})}, // 2^4252
	} {
		s := numbersLayout(feature.Int64, feature.VarPop).NewStates()
		one := arrayOf[int64](1)
		if c.sum.DataType().ID() == arrow.FLOAT64 {
			s, one = numbersLayout(feature.Float64, feature.VarPop).NewStates(), arrayOf(1.0)
		}
		s.Grow(1)
		require.ErrorIs(t, s.MergeColumns([]int32{0}, []arrow.Array{arrayOf[int64](1), one, null, c.sum, c.rest}), aggregate.ErrDamaged, name)
	}
}

func TestEncodedSumsOfSquaresAreRefusedWhenDamagedOrAnotherState(t *testing.T) {
	t.Parallel()
	check := func(l *aggregate.Layout, data []byte) {
		s := l.NewStates()
		read := func(data []byte) (rest []byte, err error) {
			s.Reset()
			s.Grow(1)
			return s.MergeEncoded(0, data)
		}
		for n := range data {
			_, err := read(data[:n:n])
			require.ErrorIs(t, err, aggregate.ErrDamaged)
		}
		for at := range data {
			for _, flip := range []byte{0x01, 0x02, 0x04, 0x80, 0xff} {
				damaged := slices.Clone(data)
				damaged[at] ^= flip
				rest, err := read(damaged)
				if err != nil {
					require.ErrorIs(t, err, aggregate.ErrDamaged)
					continue
				}
				require.Equal(t, damaged[:len(damaged)-len(rest)], s.AppendEncoded(nil, 0))
				s.Finish(0, 0) // does not panic
			}
		}
	}
	for _, values := range [][]float64{{1}, {0.1, 0.3, 1e9}, {1e200, 1e-200}, {math.NaN(), math.Inf(1), 2}} {
		l := numbersLayout(feature.Float64, feature.StddevSamp)
		s := l.NewStates()
		addNumbers(s, values...)
		check(l, s.AppendEncoded(nil, 0))
	}
	l := numbersLayout(feature.Float64, feature.StddevSamp)
	s := l.NewStates()
	addNumbers(s, 1.0)
	negative := s.AppendEncoded(nil, 0)
	negative[len(negative)-5] |= 4 // header, bytes, two of exponent, magnitude
	_, err := s.MergeEncoded(0, negative)
	require.ErrorIs(t, err, aggregate.ErrDamaged)

	for _, values := range [][]int64{{0}, {5, -7}, {math.MinInt64, math.MaxInt64}} {
		l := numbersLayout(feature.Int64, feature.StddevSamp)
		s := l.NewStates()
		addNumbers(s, values...)
		check(l, s.AppendEncoded(nil, 0))
	}
}
