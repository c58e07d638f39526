package aggregate_test

import (
	"cmp"
	"slices"

	"github.com/tilery/tilery/pkg/aggregate"
	"github.com/tilery/tilery/pkg/aggregate/oracle"
	"github.com/tilery/tilery/pkg/feature"
)

// schema has a column of each type that any function takes.
var schema = feature.Schema{
	{Name: "b", Type: feature.Bool},
	{Name: "f", Type: feature.Float64},
	{Name: "f32", Type: feature.Float32},
	{Name: "i", Type: feature.Int64},
	{Name: "i32", Type: feature.Int32},
	{Name: "s", Type: feature.String},
	{Name: "t", Type: feature.Timestamp},
	{Name: "bs", Type: feature.ArrayOf(feature.Bool)},
	{Name: "fs", Type: feature.ArrayOf(feature.Float64)},
	{Name: "f32s", Type: feature.ArrayOf(feature.Float32)},
	{Name: "is", Type: feature.ArrayOf(feature.Int64)},
	{Name: "i32s", Type: feature.ArrayOf(feature.Int32)},
	{Name: "ss", Type: feature.ArrayOf(feature.String)},
}

func typeOf(column string) feature.Type {
	field, _ := schema.Lookup(column)
	return field.Type
}

// functions are all functions, with parameters that differ in what they keep.
var functions = map[feature.Function]oracle.Function{
	feature.Count:                     {Name: "count"},
	feature.Sum:                       {Name: "sum"},
	feature.Mean:                      {Name: "mean"},
	feature.Min:                       {Name: "min"},
	feature.Max:                       {Name: "max"},
	feature.VarPop:                    {Name: "var_pop"},
	feature.VarSamp:                   {Name: "var_samp"},
	feature.StddevPop:                 {Name: "stddev_pop"},
	feature.StddevSamp:                {Name: "stddev_samp"},
	feature.Last:                      {Name: "last"},
	feature.LastN(1):                  {Name: "last", N: 1},
	feature.LastN(3):                  {Name: "last", N: 3},
	feature.LastN(100):                {Name: "last", N: 100},
	feature.FirstN(1):                 {Name: "first", N: 1},
	feature.FirstN(4):                 {Name: "first", N: 4},
	feature.FirstN(1000):              {Name: "first", N: 1000},
	feature.LastDistinct(1):           {Name: "last_distinct", N: 1},
	feature.LastDistinct(3):           {Name: "last_distinct", N: 3},
	feature.LastDistinct(50):          {Name: "last_distinct", N: 50},
	feature.FirstDistinct(2):          {Name: "first_distinct", N: 2},
	feature.FirstDistinct(50):         {Name: "first_distinct", N: 50},
	feature.ApproxCountDistinctOf(4):  {Name: "approx_count_distinct", Precision: 4},
	feature.ApproxCountDistinct:       {Name: "approx_count_distinct", Precision: 8},
	feature.ApproxCountDistinctOf(12): {Name: "approx_count_distinct", Precision: 12},
	feature.ApproxPercentile(0, 20):   {Name: "approx_percentile", P: 0, Precision: 20},
	feature.ApproxPercentile(0.3, 0):  {Name: "approx_percentile", P: 0.3, Precision: 100},
	feature.ApproxPercentile(0.5, 0):  {Name: "approx_percentile", P: 0.5, Precision: 100},
	feature.ApproxPercentile(0.99, 0): {Name: "approx_percentile", P: 0.99, Precision: 100},
	feature.ApproxPercentile(1, 500):  {Name: "approx_percentile", P: 1, Precision: 500},
}

// of is each function that takes the columns, over each of them.
func of(columns ...string) []feature.Aggregation {
	var out []feature.Aggregation
	for _, column := range columns {
		for f := range functions {
			if _, err := f.Output(typeOf(column)); err == nil {
				out = append(out, feature.Aggregation{Column: column, Function: f})
			}
		}
	}
	slices.SortFunc(out, func(a, b feature.Aggregation) int {
		return cmp.Or(cmp.Compare(a.Column, b.Column), cmp.Compare(a.Function, b.Function))
	})
	return out
}

// everything is each function over each type that it takes.
func everything() []feature.Aggregation { return of(schema.Names()...) }

func newLayout(aggregations ...feature.Aggregation) *aggregate.Layout {
	l, err := aggregate.NewLayout(aggregations, schema)
	if err != nil {
		panic(err) //nolint:forbidigo // the layouts of these tests are constants
	}
	return l
}
