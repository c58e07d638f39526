package aggregate_test

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/tilery/tilery/pkg/aggregate"
	"github.com/tilery/tilery/pkg/feature"
	"github.com/tilery/tilery/pkg/window"
)

// sample is a group whose encoding differs in form from those of others.
type sample struct {
	name string
	rows []row
}

// samples returns groups of values of a column.
func samples(column string) []sample {
	out := []sample{{"nulls", []row{{}, {}}}}
	add := func(name string, values ...any) {
		rows := rowsOf(column, values...)
		for i := range rows {
			rows[i].at = window.Time(i*i*1_000_003 - 5) // the first is before the epoch
		}
		out = append(out, sample{name, rows})
	}
	switch t := typeOf(column); t {
	case feature.Bool:
		add("plain", true, false, true)
	case feature.Int32:
		add("zero", int32(0))
		add("plain", int32(42), int32(-128), int32(7), int32(42))
		add("largest", int32(math.MaxInt32), int32(math.MinInt32), int32(math.MaxInt32))
	case feature.Int64, feature.Timestamp:
		add("zero", int64(0))
		add("plain", int64(42), int64(-128), int64(7), int64(42))
		add("negative", int64(-1))
		add("overflow", int64(math.MaxInt64), int64(math.MaxInt64))
		add("negative overflow", int64(math.MinInt64), int64(math.MinInt64))
	case feature.Float32:
		add("zero", float32(math.Copysign(0, -1)))
		add("plain", float32(1.5), float32(-3), float32(0.1), float32(1.5))
		add("specials", float32(math.NaN()), float32(math.Inf(-1)))
	case feature.Float64:
		addFloats(add)
	case feature.String:
		add("empty", "")
		add("plain", "tile", "", "tile", "\xff\x00", "é")
	default:
		element := samples(elementColumn(t))[1].rows[0].values[elementColumn(t)]
		add("empty", []any{})
		add("plain", []any{element, nil}, []any{nil}, []any{element}, []any{element, nil})
	}
	if t := typeOf(column); !t.IsArray() {
		for _, n := range []int{100, 300} {
			var values []any
			for i := range n {
				values = append(values, manyOf(t, i))
			}
			add(fmt.Sprint(n), values...)
		}
	}
	return out
}

func addFloats(add func(name string, values ...any)) {
	nan, inf := math.NaN(), math.Inf(1)
	add("zero", math.Copysign(0, -1))
	add("plain", 1.5, -3.0, 1.5)
	add("rounded", 0.1, 0.2, 0.3)
	add("negative", -0.1, -0.2)
	add("cancelled", 1e308, 1.0, -1e308)
	add("three doubles", 1e100, 1.0, 1e-100)
	add("wide", 1e300, 1.0, 1e-300, 1e-100, math.SmallestNonzeroFloat64)
	add("overflow", math.MaxFloat64, math.MaxFloat64)
	add("negative overflow", -math.MaxFloat64, -math.MaxFloat64)
	add("specials", nan, inf, inf, -inf, -2.5)
	add("infinite", -inf, 0.25)
}

// manyOf is the i-th of many values.
func manyOf(t feature.Type, i int) any {
	switch t {
	case feature.Bool:
		return i%3 == 0
	case feature.Int32:
		return int32(i*i - 5000)
	case feature.Int64, feature.Timestamp:
		return int64(i)*int64(i)*1_000_003 - 5000
	case feature.Float32:
		return float32(i-50) / 3
	case feature.Float64:
		return float64(i-50) / 3
	}
	return strings.Repeat("m", i%3) + fmt.Sprint(i)
}

// elementColumn returns the column that has the type of an array's elements.
func elementColumn(t feature.Type) string {
	i := slices.IndexFunc(schema, func(f feature.Field) bool { return f.Type == t.Element() })
	return schema[i].Name
}

// sampleStates calls each for each sample of each aggregation alone, one of
// those with the same partial states.
func sampleStates(each func(a feature.Aggregation, l *aggregate.Layout, of sample)) {
	seen := map[string]bool{}
	for _, a := range everything() {
		l := newLayout(a)
		if seen[fmt.Sprint(l.Fields())] {
			continue
		}
		seen[fmt.Sprint(l.Fields())] = true
		for _, s := range samples(a.Column) {
			each(a, l, s)
		}
	}
}
