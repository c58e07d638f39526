package materialize_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// BenchmarkApply fills an empty online store from a day of hourly tiles, five a
// key, in one file and in 24.
func BenchmarkApply(b *testing.B) {
	for _, keys := range []int64{10_000, 100_000} {
		for _, schedule := range []time.Duration{day, hour} {
			b.Run(fmt.Sprintf("keys=%d/files=%d", keys, day/schedule), func(b *testing.B) { benchmarkApply(b, keys, schedule) })
		}
	}
}

func benchmarkApply(b *testing.B, keys int64, schedule time.Duration) {
	var events []event
	for user := range keys {
		for i := range 5 {
			events = append(events, visit(user, start.Add(time.Duration((int(user)+i*5)%24)*hour), user))
		}
	}
	s := newMemoryScene(b, newView(hour, schedule, day), &events)
	for _, w := range span(0, day).Split(schedule) {
		s.commit(false, true, s.build(w))
	}
	b.ReportAllocs()
	for b.Loop() {
		require.NoError(b, s.engine.Online.Drop(b.Context(), s.target.Store()))
		require.Equal(b, keys, s.apply().Cells)
	}
	b.ReportMetric(float64(keys)*float64(b.N)/b.Elapsed().Seconds(), "cells/s")
}
