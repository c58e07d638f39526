package aggregate_test

import (
	"cmp"
	"math"
	"slices"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/apache/arrow/go/v15/arrow/memory"
	"pgregory.net/rapid"

	"github.com/tilery/tilery/pkg/aggregate"
	"github.com/tilery/tilery/pkg/aggregate/oracle"
	"github.com/tilery/tilery/pkg/feature"
)

var schema = feature.Schema{
	{Name: "b", Type: feature.Bool},
	{Name: "f", Type: feature.Float64},
	{Name: "i", Type: feature.Int64},
	{Name: "s", Type: feature.String},
	{Name: "t", Type: feature.Timestamp},
}

// functions are those that everything has.
var functions = []feature.Function{feature.Count, feature.Sum, feature.Mean, feature.Min, feature.Max}

// timesOf returns a time for each of groups.
func timesOf(groups []int32) []arrow.Timestamp { return make([]arrow.Timestamp, len(groups)) }

// everything is each function over each type that it takes.
func everything() []feature.Aggregation {
	var out []feature.Aggregation
	for _, field := range schema {
		for _, f := range functions {
			if _, err := f.Output(field.Type); err == nil {
				out = append(out, feature.Aggregation{Column: field.Name, Function: f})
			}
		}
	}
	return out
}

func newLayout(aggregations ...feature.Aggregation) *aggregate.Layout {
	l, err := aggregate.NewLayout(aggregations, schema)
	if err != nil {
		panic(err) //nolint:forbidigo // the layouts of these tests are constants
	}
	return l
}

// row is one input row; a nil field is null.
type row struct {
	group int32
	f     *float64
	i     *int64
	s     *string
}

func column[T any](rows []row, of func(row) *T) (values []T, null []bool) {
	values, null = make([]T, len(rows)), make([]bool, len(rows))
	for n, r := range rows {
		if v := of(r); v != nil {
			values[n] = *v
		} else {
			null[n] = true
		}
	}
	return values, null
}

func floats(r row) *float64 { return r.f }
func ints(r row) *int64     { return r.i }
func texts(r row) *string   { return r.s }

func valid(null []bool) []bool {
	out := make([]bool, len(null))
	for i, n := range null {
		out[i] = !n
	}
	return out
}

func groupsOf(rows []row) []int32 {
	groups := make([]int32, len(rows))
	for i, r := range rows {
		groups[i] = r.group
	}
	return groups
}

// arrays builds the inputs of l. Bool and Timestamp columns follow the Int64 one.
func arrays(l *aggregate.Layout, rows []row) []arrow.Array {
	var out []arrow.Array
	for _, input := range l.Inputs() {
		switch input.Type {
		case feature.Float64:
			b := array.NewFloat64Builder(memory.DefaultAllocator)
			values, null := column(rows, floats)
			b.AppendValues(values, valid(null))
			out = append(out, b.NewArray())
		case feature.String:
			b := array.NewStringBuilder(memory.DefaultAllocator)
			values, null := column(rows, texts)
			b.AppendValues(values, valid(null))
			out = append(out, b.NewArray())
		case feature.Int64:
			b := array.NewInt64Builder(memory.DefaultAllocator)
			values, null := column(rows, ints)
			b.AppendValues(values, valid(null))
			out = append(out, b.NewArray())
		case feature.Bool:
			b := array.NewBooleanBuilder(memory.DefaultAllocator)
			values, null := column(rows, ints)
			for i, v := range values {
				if null[i] {
					b.AppendNull()
				} else {
					b.Append(v%2 == 0)
				}
			}
			out = append(out, b.NewArray())
		case feature.Timestamp:
			b := array.NewTimestampBuilder(memory.DefaultAllocator, &arrow.TimestampType{Unit: arrow.Microsecond, TimeZone: "UTC"})
			values, null := column(rows, ints)
			for i, v := range values {
				if null[i] {
					b.AppendNull()
				} else {
					b.Append(arrow.Timestamp(v))
				}
			}
			out = append(out, b.NewArray())
		}
	}
	return out
}

// naive is what the oracle says about rows of one group.
func naive(a feature.Aggregation, rows []row) feature.Value {
	if len(rows) == 0 {
		return feature.Null
	}
	fs, fNull := column(rows, floats)
	is, iNull := column(rows, ints)
	ss, sNull := column(rows, texts)
	switch a.Column + " " + string(a.Function) {
	case "f count":
		return feature.Int64Value(int64(len(oracle.NotNull(fs, fNull))))
	case "s count":
		return feature.Int64Value(int64(len(oracle.NotNull(ss, sNull))))
	case "i count", "b count", "t count":
		return feature.Int64Value(int64(len(oracle.NotNull(is, iNull))))
	case "i sum":
		return wrap(feature.Int64Value)(oracle.SumInt64(is, iNull))
	case "i mean":
		return wrap(feature.Float64Value)(oracle.MeanInt64(is, iNull))
	case "i min":
		return wrap(feature.Int64Value)(oracle.Least(is, iNull, cmp.Less[int64]))
	case "i max":
		return wrap(feature.Int64Value)(oracle.Greatest(is, iNull, cmp.Less[int64]))
	case "f sum":
		return wrap(feature.Float64Value)(oracle.SumFloat64(fs, fNull))
	case "f mean":
		return wrap(feature.Float64Value)(oracle.MeanFloat64(fs, fNull))
	case "f min":
		return wrap(feature.Float64Value)(oracle.Least(fs, fNull, oracle.LessFloat64))
	case "f max":
		return wrap(feature.Float64Value)(oracle.Greatest(fs, fNull, oracle.LessFloat64))
	case "s min":
		return wrap(feature.StringValue)(oracle.Least(ss, sNull, cmp.Less[string]))
	case "s max":
		return wrap(feature.StringValue)(oracle.Greatest(ss, sNull, cmp.Less[string]))
	}
	panic(a.Column + " " + string(a.Function)) //nolint:forbidigo // a case is missing above
}

func wrap[T any](value func(T) feature.Value) func(T, bool) feature.Value {
	return func(v T, ok bool) feature.Value {
		if !ok {
			return feature.Null
		}
		return value(v)
	}
}

// canonical gives a result of the oracle, which knows no bits, those of the
// product: one NaN, one zero.
func canonical(v feature.Value) feature.Value {
	if v.Type() != feature.Float64 {
		return v
	}
	if math.IsNaN(v.Float64()) {
		return feature.Float64Value(math.Float64frombits(0x7ff8000000000000))
	}
	if v.Float64() == 0 {
		return feature.Float64Value(0)
	}
	return v
}

var edgeFloats = []float64{
	0, math.Copysign(0, -1), 1, -1, 0.1, 1.0 / 3, 1 << 53, 1<<53 + 2, 0x1p-53,
	1e300, -1e300, 1e-300, -1e-300, 1e308, -1e308, math.MaxFloat64, -math.MaxFloat64, 0x1p960, -0x1p959, 0x1p970, 0x1.8p1022,
	math.SmallestNonzeroFloat64, -math.SmallestNonzeroFloat64, 0x1p-1022, 0x1.8p-1060, -0x0.fffffffffffffp-1022,
}

var specialFloats = []float64{math.NaN(), math.Float64frombits(0xfff8000000000123), math.Inf(1), math.Inf(-1)}

// drawRows draws up to 40 rows of up to groups groups. The flavours of floats are
// drawn first: one NaN hides what all other rows of a group do.
func drawRows(t *rapid.T, groups int) []row {
	const (
		cancelling = iota
		hundredths
		special
		anything
		farApart
		ties
		edge
	)
	flavours := rapid.SampledFrom([][]int{
		{farApart, cancelling}, {hundredths, cancelling}, {ties},
		{cancelling, hundredths, special, anything, farApart, ties, edge},
	}).Draw(t, "flavours")
	specials := rapid.Bool().Draw(t, "specials")
	var earlier []float64
	float := rapid.Custom(func(t *rapid.T) float64 {
		switch rapid.SampledFrom(flavours).Draw(t, "flavour") {
		case cancelling:
			if len(earlier) > 0 {
				return -rapid.SampledFrom(earlier).Draw(t, "cancelled")
			}
			return 0
		case hundredths:
			return float64(rapid.IntRange(-100, 100).Draw(t, "hundredths")) / 100
		case special:
			if specials {
				return rapid.SampledFrom(specialFloats).Draw(t, "special")
			}
			return math.MaxFloat64
		case anything:
			return rapid.Float64().Draw(t, "float")
		case farApart: // more than three doubles hold
			sign := rapid.SampledFrom([]float64{1, -1}).Draw(t, "sign")
			return math.Ldexp(sign/3, rapid.SampledFrom([]int{900, 700, 500, 300, 100, -100, -300, -500, -700, -900}).Draw(t, "exponent"))
		case ties: // sums that lie between two doubles
			return rapid.SampledFrom([]float64{1 << 53, 1 << 54, 1, 3, -1}).Draw(t, "tie")
		default:
			return rapid.SampledFrom(edgeFloats).Draw(t, "edge")
		}
	})
	integer := rapid.OneOf(rapid.SampledFrom([]int64{0, -1, math.MaxInt64, math.MinInt64, 1 << 53, 1<<53 + 1}), rapid.Int64(), rapid.Int64Range(-9, 9))
	text := rapid.OneOf(rapid.SampledFrom([]string{"", "a", "aa", "\x00", "\xff", "é"}), rapid.StringN(0, 8, -1))
	rows := make([]row, rapid.SampledFrom([]int{0, 1, 3, 10, 40}).Draw(t, "rows"))
	oneGroup := rapid.Bool().Draw(t, "one group")
	for n := range rows {
		group := 0
		if !oneGroup {
			group = rapid.IntRange(-1, groups-1).Draw(t, "group")
		}
		rows[n] = row{
			group: int32(group),
			f:     rapid.Ptr(float, true).Draw(t, "f"),
			i:     rapid.Ptr(integer, true).Draw(t, "i"),
			s:     rapid.Ptr(text, true).Draw(t, "s"),
		}
		if rows[n].f != nil {
			earlier = append(earlier, *rows[n].f)
		}
	}
	return rows
}

func rowsOf(rows []row, group int) []row {
	return slices.DeleteFunc(slices.Clone(rows), func(r row) bool { return r.group != int32(group) })
}
