package main

import (
	"context"
	"fmt"
	"io"
	"runtime"
	"time"

	"github.com/tilery/tilery/pkg/aggregate"
	"github.com/tilery/tilery/pkg/feature"
)

// measured are the functions, each over the columns that it is typical for.
var measured = []feature.Aggregation{
	{Function: feature.Count, Column: "merchant"},
	{Function: feature.Sum, Column: "quantity"},
	{Function: feature.Sum, Column: "amount"},
	{Function: feature.Mean, Column: "amount"},
	{Function: feature.Min, Column: "quantity"},
	{Function: feature.Max, Column: "amount"},
	{Function: feature.Max, Column: "score"},
	{Function: feature.Min, Column: "merchant"},
	{Function: feature.VarPop, Column: "quantity"},
	{Function: feature.VarPop, Column: "amount"},
	{Function: feature.VarSamp, Column: "amount"},
	{Function: feature.StddevPop, Column: "amount"},
	{Function: feature.StddevSamp, Column: "amount"},
	{Function: feature.Last, Column: "amount"},
	{Function: feature.Last, Column: "merchant"},
	{Function: feature.Last, Column: "tags"},
	{Function: feature.LastN(10), Column: "amount"},
	{Function: feature.LastN(10), Column: "merchant"},
	{Function: feature.LastN(1000), Column: "amount"},
	{Function: feature.FirstN(10), Column: "amount"},
	{Function: feature.LastDistinct(10), Column: "merchant"},
	{Function: feature.FirstDistinct(10), Column: "quantity"},
	{Function: feature.ApproxCountDistinct, Column: "merchant"},
	{Function: feature.ApproxCountDistinct, Column: "quantity"},
	{Function: feature.ApproxPercentile(0.5, 0), Column: "amount"},
}

// result is what one function costs.
type result struct {
	name                             string
	addNanos, loopNanos              float64 // per row
	mergeNanos                       float64 // per state
	addAllocations, mergeAllocations float64 // per row, per state
}

func (o options) measure(ctx context.Context, out io.Writer) ([]result, error) {
	fmt.Fprintf(out, "%d rows of %d groups\n%-36s %10s %10s %12s %12s\n", o.rows, o.groups, "", "ns/row", "allocs/row", "ns/merge", "allocs/merge")
	batch, other := o.generate(1), o.generate(2)
	var results []result
	for _, a := range measured {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		r, err := o.measureOne(a, batch, other)
		if err != nil {
			return nil, err
		}
		fmt.Fprintf(out, "%-36s %10.2f %10.6f %12.1f %12.6f\n", r.name, r.addNanos, r.addAllocations, r.mergeNanos, r.mergeAllocations)
		results = append(results, r)
	}
	return results, nil
}

func (o options) measureOne(a feature.Aggregation, batch, other batch) (result, error) {
	layout, err := aggregate.NewLayout([]feature.Aggregation{a}, schema)
	if err != nil {
		return result{}, err
	}
	from, to := layout.NewStates(), layout.NewStates()
	var add, loop, merge []sample
	for i := range o.repetitions + 1 {
		loop = append(loop, timed(o.rows, func() { batch.sumByGroup(o.groups) }))
		add = append(add, timedAdd(from, o, batch, layout))
		timedAdd(to, o, other, layout)
		merge = append(merge, timed(o.groups, func() {
			for g := range o.groups {
				to.Merge(g, from, g)
			}
		}))
		if i == 0 { // memory was cold
			add, loop, merge = nil, nil, nil
		}
	}
	r := result{name: fmt.Sprintf("%s of %s", a.Function, a.Column)}
	r.loopNanos, _ = best(loop)
	r.addNanos, r.addAllocations = best(add)
	r.mergeNanos, r.mergeAllocations = best(merge)
	return r, nil
}

// timedAdd adds the rows to groups that are empty.
func timedAdd(s *aggregate.States, o options, b batch, l *aggregate.Layout) sample {
	inputs := b.inputs(l)
	s.Reset()
	s.Grow(o.groups)
	return timed(o.rows, func() { s.Add(b.groups, b.times, inputs) })
}

// sample is what one run cost, per row or state.
type sample struct{ nanos, allocations float64 }

func timed(n int, do func()) sample {
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	start := time.Now()
	do()
	elapsed := time.Since(start)
	runtime.ReadMemStats(&after)
	return sample{float64(elapsed.Nanoseconds()) / float64(n), float64(after.Mallocs-before.Mallocs) / float64(n)}
}

// best returns the time of the fastest run, since whatever else the machine does
// only adds to it, and the allocations of the run that had most.
func best(samples []sample) (nanos, allocations float64) {
	nanos = samples[0].nanos
	for _, s := range samples {
		nanos, allocations = min(nanos, s.nanos), max(allocations, s.allocations)
	}
	return nanos, allocations
}
