package aggregate_test

import (
	"errors"
	"fmt"
	"math"
	"testing"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/apache/arrow/go/v15/arrow/memory"
	"github.com/stretchr/testify/require"

	"github.com/tilery/tilery/pkg/aggregate"
	"github.com/tilery/tilery/pkg/feature"
)

func TestTruncatedStatesAreDamaged(t *testing.T) {
	t.Parallel()
	sampleStates(func(a feature.Aggregation, l *aggregate.Layout, of sample) {
		data := build(l, of.rows, 1).AppendEncoded(nil, 0)
		s := l.NewStates()
		for n := range data {
			s.Reset()
			s.Grow(1)
			if _, err := s.MergeEncoded(0, data[:n:n]); !errors.Is(err, aggregate.ErrDamaged) {
				require.Fail(t, "cut states are read", "%s of %s, %s, %d bytes: %v", a.Function, a.Column, of.name, n, err)
			}
		}
	})
}

func TestDamagedBytesAreRefusedOrAnotherState(t *testing.T) {
	t.Parallel()
	sampleStates(func(_ feature.Aggregation, l *aggregate.Layout, of sample) {
		s := l.NewStates()
		eachDamage(build(l, of.rows, 1).AppendEncoded(nil, 0), func(data []byte) { requireDamagedOrItself(t, s, data) })
	})
}

// eachDamage damages each byte in turn: to all other values while data is short;
// of long data the first bytes, and then some.
func eachDamage(data []byte, check func([]byte)) {
	flips := []byte{0x01, 0x02, 0x04, 0x40, 0x80, 0xff}
	if len(data) <= 64 {
		flips = make([]byte, 255)
		for i := range flips {
			flips[i] = byte(i + 1)
		}
	}
	for at := range data {
		if at > 64 && at%(1+len(data)/256) != 0 {
			continue
		}
		for _, flip := range flips {
			data[at] ^= flip
			check(data)
			data[at] ^= flip
		}
	}
}

// requireDamagedOrItself reads data into s, which it resets. It is called so often
// that require itself would take most of the time.
func requireDamagedOrItself(t require.TestingT, s *aggregate.States, data []byte) {
	s.Reset()
	s.Grow(1)
	rest, err := s.MergeEncoded(0, data)
	if errors.Is(err, aggregate.ErrDamaged) {
		return
	}
	require.NoError(t, err)
	requireSame(t, data[:len(data)-len(rest)], s.AppendEncoded(nil, 0), "read from %d bytes", len(data))
}

// TestDamagedColumnsAreRefusedOrAnotherState cuts, lengthens and damages each
// binary column.
func TestDamagedColumnsAreRefusedOrAnotherState(t *testing.T) {
	t.Parallel()
	sampleStates(func(a feature.Aggregation, l *aggregate.Layout, of sample) {
		columns := tiles(l, build(l, of.rows, 1))
		s := l.NewStates()
		for i, c := range columns {
			column, ok := c.(*array.Binary)
			if !ok || column.IsNull(0) {
				continue
			}
			value := column.Value(0)
			check := func(data []byte) {
				columns[i] = binaries(data)
				requireColumnsDamagedOrThemselves(t, l, s, columns)
			}
			eachDamage(append([]byte(nil), value...), check)
			for n := range value {
				columns[i] = binaries(value[:n])
				requireRefused(t, s, columns, string(a.Function)+" of "+a.Column+", "+of.name)
			}
			columns[i] = binaries(append(value[:len(value):len(value)], 0))
			requireRefused(t, s, columns, string(a.Function)+" of "+a.Column+", "+of.name)
			columns[i] = column
		}
	})
}

// requireColumnsDamagedOrThemselves reads columns of one row into s, which it resets.
func requireColumnsDamagedOrThemselves(t require.TestingT, l *aggregate.Layout, s *aggregate.States, columns []arrow.Array) {
	s.Reset()
	s.Grow(1)
	err := s.MergeColumns([]int32{0}, columns)
	if errors.Is(err, aggregate.ErrDamaged) {
		return
	}
	require.NoError(t, err)
	requireSame(t, plainBitsOf(columns), plainBitsOf(tiles(l, s)), "read from columns")
}

// plainBitsOf is bitsOf of the first rows, but for the bits of NaN and zero: other
// writers of the table may have made them others.
func plainBitsOf(columns []arrow.Array) (out []string) {
	for _, c := range columns {
		out = append(out, plainBitsAt(c, 0))
	}
	return out
}

func plainBitsAt(column arrow.Array, i int) string {
	if column.IsNull(i) {
		return "null"
	}
	switch c := column.(type) {
	case *array.Float64:
		return feature.Float64Value(c.Value(i) + 0).String()
	case *array.Float32:
		return feature.Float32Value(c.Value(i) + 0).String()
	case *array.List:
		var elements []string
		for start, end := c.ValueOffsets(i); start < end; start++ {
			elements = append(elements, plainBitsAt(c.ListValues(), int(start)))
		}
		return fmt.Sprint(elements)
	}
	return bitsAt(column, i)
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
		requireRefused(t, c.layout.NewStates(), c.columns, name)
	}
}

// requireRefused reads columns of one row into s, which it resets.
func requireRefused(t *testing.T, s *aggregate.States, columns []arrow.Array, name string) {
	s.Reset()
	s.Grow(1)
	if err := s.MergeColumns([]int32{0}, columns); !errors.Is(err, aggregate.ErrDamaged) {
		require.Fail(t, "damaged columns are read", "%s: %v", name, err)
	}
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
