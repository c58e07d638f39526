package main

import (
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/apache/arrow/go/v15/arrow/memory"

	"github.com/tilery/tilery/pkg/aggregate"
	"github.com/tilery/tilery/pkg/feature"
)

var schema = feature.Schema{
	{Name: "amount", Type: feature.Float64},
	{Name: "score", Type: feature.Float32},
	{Name: "quantity", Type: feature.Int64},
	{Name: "merchant", Type: feature.String},
	{Name: "tags", Type: feature.ArrayOf(feature.String)},
}

// batch is rows without nulls.
type batch struct {
	groups  []int32
	times   []arrow.Timestamp
	columns map[string]arrow.Array
	amounts []float64
}

// generate returns the same rows each time: amounts in hundredths, which no double
// is, and merchants of which each group sees many.
func (o options) generate(seed uint64) batch {
	random := rand.New(rand.NewPCG(seed, 0))
	b := batch{columns: map[string]arrow.Array{}}
	builders := map[string]array.Builder{}
	amounts := array.NewFloat64Builder(memory.DefaultAllocator)
	scores := array.NewFloat32Builder(memory.DefaultAllocator)
	quantities := array.NewInt64Builder(memory.DefaultAllocator)
	merchants := array.NewStringBuilder(memory.DefaultAllocator)
	tags := array.NewListBuilder(memory.DefaultAllocator, arrow.BinaryTypes.String)
	builders["amount"], builders["score"], builders["quantity"], builders["merchant"], builders["tags"] = amounts, scores, quantities, merchants, tags
	day := time.Date(2001, 1, 1, 0, 0, 0, 0, time.UTC).UnixMicro()
	for range o.rows {
		b.groups = append(b.groups, int32(random.IntN(o.groups)))
		b.times = append(b.times, arrow.Timestamp(day+random.Int64N((24*time.Hour).Microseconds())))
		b.amounts = append(b.amounts, float64(int(random.ExpFloat64()*10_000))/100)
		amounts.Append(b.amounts[len(b.amounts)-1])
		scores.Append(random.Float32())
		quantities.Append(random.Int64N(1_000))
		merchants.Append(fmt.Sprintf("merchant-%05d", random.IntN(20_000)))
		tags.Append(true)
		for range random.IntN(4) {
			tags.ValueBuilder().(*array.StringBuilder).Append(fmt.Sprintf("tag-%02d", random.IntN(50)))
		}
	}
	for name, builder := range builders {
		b.columns[name] = builder.NewArray()
	}
	return b
}

func (b batch) inputs(l *aggregate.Layout) (out []arrow.Array) {
	for _, input := range l.Inputs() {
		out = append(out, b.columns[input.Name])
	}
	return out
}

// sumByGroup is the plain loop.
func (b batch) sumByGroup(groups int) []float64 {
	sums := make([]float64, groups)
	for i, g := range b.groups {
		sums[g] += b.amounts[i]
	}
	return sums
}
