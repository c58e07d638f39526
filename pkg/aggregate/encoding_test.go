package aggregate_test

import (
	"encoding/hex"
	"flag"
	"fmt"
	"math"
	"os"
	"strings"
	"testing"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/apache/arrow/go/v15/arrow/memory"
	"github.com/stretchr/testify/require"

	"github.com/tilery/tilery/pkg/aggregate"
	"github.com/tilery/tilery/pkg/feature"
)

var rewrite = flag.Bool("rewrite", false, "write the golden files anew")

const goldenFile = "testdata/encoding-v1.golden"

// samples are groups whose encodings differ in form.
func samples() (names []string, rows map[string][]row) {
	rows = map[string][]row{}
	sample := func(name string, of []row) {
		names = append(names, name)
		rows[name] = of
	}
	empty, text := "", "tile"
	sample("nulls", []row{{}})
	sample("zeros", append(append(floatRows(0), intRows(0)...), row{s: &empty}))
	sample("plain", append(append(floatRows(1.5, -3), intRows(42, -128, 7)...), row{s: &text}))
	sample("rounded", floatRows(0.1, 0.2, 0.3))
	sample("negative", append(floatRows(-0.1, -0.2), intRows(-1)...))
	sample("cancelled", floatRows(1e308, 1, -1e308))
	sample("three doubles", floatRows(1e100, 1, 1e-100))
	sample("wide", floatRows(1e300, 1, 1e-300, 1e-100, math.SmallestNonzeroFloat64))
	sample("overflow", append(floatRows(math.MaxFloat64, math.MaxFloat64), intRows(math.MaxInt64, math.MaxInt64)...))
	sample("negative overflow", append(floatRows(-math.MaxFloat64, -math.MaxFloat64), intRows(math.MinInt64, math.MinInt64)...))
	sample("specials", floatRows(math.NaN(), math.Inf(1), math.Inf(1), math.Inf(-1), -2.5))
	sample("infinite", floatRows(math.Inf(-1), 0.25))
	return names, rows
}

// TestEncodingsOfVersion1 fails when stored bytes could no longer be read or
// compared: that takes a new version.
func TestEncodingsOfVersion1(t *testing.T) {
	t.Parallel()
	l := newLayout(everything()...)
	names, rows := samples()
	var b strings.Builder
	for _, name := range names {
		s := build(l, rows[name], 1)
		fmt.Fprintf(&b, "%s: %x\n", name, s.AppendEncoded(nil, 0))
		for i, c := range tiles(l, s) {
			if rest, ok := c.(*array.Binary); ok && rest.IsValid(0) {
				fmt.Fprintf(&b, "%s: %s = %x\n", name, l.Fields()[i].Name, rest.Value(0))
			}
		}
	}
	if *rewrite {
		require.NoError(t, os.WriteFile(goldenFile, []byte(b.String()), 0o644))
	}
	golden, err := os.ReadFile(goldenFile)
	require.NoError(t, err)
	require.Equal(t, string(golden), b.String())

	for line := range strings.Lines(string(golden)) {
		name, encoded, _ := strings.Cut(strings.TrimSpace(line), ": ")
		data, err := hex.DecodeString(encoded)
		if err != nil {
			continue // a rest column
		}
		read, want := build(l, nil, 1), build(l, rows[name], 1)
		rest, err := read.MergeEncoded(0, data)
		require.NoError(t, err, name)
		require.Empty(t, rest, name)
		for i, a := range everything() {
			require.Equal(t, want.Finish(0, i), read.Finish(0, i), "%s: %s of %s", name, a.Function, a.Column)
		}
	}
}

func TestTruncatedStatesAreDamaged(t *testing.T) {
	t.Parallel()
	l := newLayout(everything()...)
	_, rows := samples()
	for name, of := range rows {
		data := build(l, of, 1).AppendEncoded(nil, 0)
		for n := range data {
			_, err := build(l, nil, 1).MergeEncoded(0, data[:n:n])
			require.ErrorIs(t, err, aggregate.ErrDamaged, "%s, %d bytes", name, n)
		}
	}
}

func TestDamagedBytesAreRefusedOrAnotherState(t *testing.T) {
	t.Parallel()
	l := newLayout(everything()...)
	_, rows := samples()
	s := l.NewStates()
	for _, of := range rows {
		data := build(l, of, 1).AppendEncoded(nil, 0)
		for at := range data {
			for flip := 1; flip < 256; flip++ {
				data[at] ^= byte(flip)
				requireDamagedOrItself(t, s, data)
				data[at] ^= byte(flip)
			}
		}
	}
}

// requireDamagedOrItself reads data into s, which it resets.
func requireDamagedOrItself(t *testing.T, s *aggregate.States, data []byte) {
	s.Reset()
	s.Grow(1)
	rest, err := s.MergeEncoded(0, data)
	if err != nil {
		require.ErrorIs(t, err, aggregate.ErrDamaged)
		return
	}
	require.Equal(t, data[:len(data)-len(rest)], s.AppendEncoded(nil, 0))
}

func FuzzMergeEncoded(f *testing.F) {
	l := newLayout(everything()...)
	_, rows := samples()
	for _, of := range rows {
		f.Add(build(l, of, 1).AppendEncoded(nil, 0))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		requireDamagedOrItself(t, newLayout(everything()...).NewStates(), data)
	})
}

// TestDamagedRestsAreRefusedOrAnotherState damages each byte of each rest value.
func TestDamagedRestsAreRefusedOrAnotherState(t *testing.T) {
	t.Parallel()
	_, rows := samples()
	for _, column := range []string{"f", "i"} {
		l := newLayout(feature.Aggregation{Column: column, Function: feature.Sum})
		for name, of := range rows {
			columns := tiles(l, build(l, of, 1))
			if columns[1].IsNull(0) {
				continue
			}
			rest := columns[1].(*array.Binary).Value(0)
			for n := range rest {
				requireRefused(t, l, []arrow.Array{columns[0], binaries(rest[:n])}, name)
			}
			requireRefused(t, l, []arrow.Array{columns[0], binaries(append(rest[:len(rest):len(rest)], 0))}, name)
			for at := range rest {
				for _, flip := range []byte{0x01, 0x02, 0x04, 0x80, 0xff} {
					damaged := append([]byte(nil), rest...)
					damaged[at] ^= flip
					read := build(l, nil, 1)
					in := []arrow.Array{columns[0], binaries(damaged)}
					if err := read.MergeColumns([]int32{0}, in); err != nil {
						require.ErrorIs(t, err, aggregate.ErrDamaged)
						continue
					}
					require.Equal(t, bitsOf(in), bitsOf(tiles(l, read)), name)
				}
			}
		}
	}
}

func TestColumnsThatContradictThemselvesAreDamaged(t *testing.T) {
	t.Parallel()
	count := newLayout(feature.Aggregation{Column: "s", Function: feature.Count})
	sumI := newLayout(feature.Aggregation{Column: "i", Function: feature.Sum})
	sumF := newLayout(feature.Aggregation{Column: "f", Function: feature.Sum})
	over := tiles(sumI, build(sumI, intRows(math.MaxInt64, 1), 1))[1]
	rest := tiles(sumF, build(sumF, floatRows(0.1, 0.2), 1))[1]
	for name, c := range map[string]struct {
		layout  *aggregate.Layout
		columns []arrow.Array
	}{
		"no columns":              {count, nil},
		"another type":            {count, []arrow.Array{float64s(1)}},
		"another length":          {count, []arrow.Array{int64s(1, 2)}},
		"a negative count":        {count, []arrow.Array{int64s(-1)}},
		"an impossible count":     {count, []arrow.Array{int64s(math.MaxInt64)}},
		"no count":                {count, []arrow.Array{array.MakeArrayOfNull(memory.DefaultAllocator, arrow.PrimitiveTypes.Int64, 1)}},
		"an Int64 sum twice":      {sumI, []arrow.Array{int64s(1), over}},
		"a rest of another sum":   {sumF, []arrow.Array{float64s(1e-30), rest}},
		"a rest without its sum":  {sumF, []arrow.Array{array.MakeArrayOfNull(memory.DefaultAllocator, arrow.PrimitiveTypes.Float64, 1), rest}},
		"an infinity on its own":  {sumF, []arrow.Array{float64s(math.Inf(1)), noBinary()}},
		"NaN on its own":          {sumF, []arrow.Array{float64s(math.NaN()), noBinary()}},
		"NaN with a finite rest":  {sumF, []arrow.Array{float64s(math.NaN()), rest}},
		"an empty rest":           {sumF, []arrow.Array{float64s(1), binaries(nil)}},
		"a rest that is zero":     {sumF, []arrow.Array{float64s(1), binaries([]byte{1, 1, 0})}},
		"a rest that has no sum":  {sumF, []arrow.Array{float64s(1), binaries([]byte{1, 0})}},
		"a rest of a new version": {sumF, []arrow.Array{float64s(1), binaries([]byte{2, 1, 0})}},
	} {
		requireRefused(t, c.layout, c.columns, name)
	}
}

func requireRefused(t *testing.T, l *aggregate.Layout, columns []arrow.Array, name string) {
	t.Helper()
	require.ErrorIs(t, build(l, nil, 1).MergeColumns([]int32{0}, columns), aggregate.ErrDamaged, name)
}

func int64s(values ...int64) arrow.Array {
	b := array.NewInt64Builder(memory.DefaultAllocator)
	b.AppendValues(values, nil)
	return b.NewArray()
}

func float64s(values ...float64) arrow.Array {
	b := array.NewFloat64Builder(memory.DefaultAllocator)
	b.AppendValues(values, nil)
	return b.NewArray()
}

func binaries(value []byte) arrow.Array {
	b := array.NewBinaryBuilder(memory.DefaultAllocator, arrow.BinaryTypes.Binary)
	b.Append(value)
	return b.NewArray()
}

func noBinary() arrow.Array {
	return array.MakeArrayOfNull(memory.DefaultAllocator, arrow.BinaryTypes.Binary, 1)
}
