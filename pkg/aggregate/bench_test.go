package aggregate_test

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/apache/arrow/go/v15/arrow"

	"github.com/tilery/tilery/pkg/aggregate"
	"github.com/tilery/tilery/pkg/feature"
)

const (
	benchRows   = 1_000_000
	benchGroups = 10_000
)

func benchBatch(l *aggregate.Layout) ([]int32, []arrow.Array) {
	random := rand.New(rand.NewPCG(1, 2))
	rows := make([]row, benchRows)
	for n := range rows {
		f, i, s := random.ExpFloat64()*100, random.Int64(), fmt.Sprintf("merchant-%07d", random.IntN(1e7))
		rows[n] = row{int32(random.IntN(benchGroups)), &f, &i, &s}
	}
	return groupsOf(rows), arrays(l, rows)
}

func BenchmarkAdd(b *testing.B) {
	for _, c := range []struct {
		function feature.Function
		column   string
	}{
		{feature.Count, "s"}, {feature.Sum, "i"}, {feature.Sum, "f"},
		{feature.Min, "i"}, {feature.Max, "f"}, {feature.Min, "s"},
	} {
		b.Run(fmt.Sprintf("%s_%s", c.function, c.column), func(b *testing.B) {
			l := newLayout(feature.Aggregation{Column: c.column, Function: c.function})
			groups, inputs := benchBatch(l)
			s := l.NewStates()
			s.Grow(benchGroups)
			s.Add(groups, timesOf(groups), inputs) // what follows uses this memory again
			b.ReportAllocs()
			for b.Loop() {
				s.Reset()
				s.Grow(benchGroups)
				s.Add(groups, timesOf(groups), inputs)
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/benchRows, "ns/row")
		})
	}
}

// BenchmarkFloat64Sum is the cost per group of the ways in and out of a sum that
// a double does not hold.
func BenchmarkFloat64Sum(b *testing.B) {
	l := newLayout(feature.Aggregation{Column: "f", Function: feature.Mean})
	groups, inputs := benchBatch(l)
	s, to := l.NewStates(), l.NewStates()
	s.Grow(benchGroups)
	to.Grow(benchGroups)
	s.Add(groups, timesOf(groups), inputs)
	var encoded []byte
	for g := range benchGroups {
		encoded = s.AppendEncoded(encoded, g)
	}
	columns := tiles(l, s)
	run := func(name string, all func()) {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				all()
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/benchGroups, "ns/group")
		})
	}
	run("finish_mean", func() {
		for g := range benchGroups {
			s.Finish(g, 0)
		}
	})
	run("merge", func() {
		for g := range benchGroups {
			to.Merge(g, s, g)
		}
	})
	var one []byte
	run("encode", func() {
		for g := range benchGroups {
			one = s.AppendEncoded(one[:0], g)
		}
	})
	run("merge_encoded", func() {
		rest := encoded
		for g := range benchGroups {
			rest, _ = to.MergeEncoded(g, rest)
		}
	})
	run("append_columns", func() { tiles(l, s) })
	run("merge_columns", func() {
		if err := to.MergeColumns(present(s), columns); err != nil {
			b.Fatal(err)
		}
	})
}
