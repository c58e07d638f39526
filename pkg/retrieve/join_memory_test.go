package retrieve_test

import (
	"fmt"
	"io"
	"runtime"
	"testing"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/stretchr/testify/require"

	"github.com/tilery/tilery/pkg/retrieve"
)

// It runs before the parallel tests of the package, so that the memory in use is its own.
func TestMemoryStaysBoundedWithASpineTenTimesAsLarge(t *testing.T) {
	const memory, rows, rowsOfRecord = 4 << 20, 400_000, 1000
	visits, _ := drawVisits(10, 5, 5000, 0)
	part := writeVisits(t, visitsView(0), 5, visits)
	inUse := func() int64 {
		var stats runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&stats)
		return int64(stats.HeapAlloc)
	}
	before, peak, calls := inUse(), int64(0), 0
	var last retrieve.Progress
	o := retrieve.Options{MemoryBytes: memory, ScratchDir: t.TempDir(), OnProgress: func(p retrieve.Progress) {
		if calls++; calls%40 == 0 {
			peak = max(peak, inUse()-before)
		}
		last = p
	}}
	next := 0
	var bytes int64
	s := spineOf(asksSchema, "when")
	s.Next = func() (arrow.Record, error) {
		if next == rows {
			return nil, io.EOF
		}
		_, asks := drawVisits(uint64(next), 5, 0, rowsOfRecord)
		for i := range asks {
			user := int64((next + i) * 7919 % 1_000_003)
			shop := fmt.Sprintf("a shop with a long name %08d, as names in data often are", i)
			asks[i].user, asks[i].shop = &user, &shop
			bytes += int64(len(shop)) + 4 + 3*8
		}
		next += rowsOfRecord
		return asksRecord(t, asksSchema, next-rowsOfRecord, asks), nil
	}
	given := int64(0)
	_, err := retrieve.Join(t.Context(), o, s, []retrieve.Part{part}, func(rec arrow.Record) error {
		given += rec.NumRows()
		return nil
	})
	require.NoError(t, err)
	require.Equal(t, int64(rows), given)
	require.Equal(t, int64(rows), last.Rows)
	require.Greater(t, bytes, int64(8*memory))
	require.Positive(t, last.Spilled)
	t.Logf("%d MiB of spine, %d MiB allowed, %d MiB in use at most", bytes>>20, memory>>20, peak>>20)
	const buffers = 16 << 20 // of runs and files, which are there whatever is allowed
	require.Less(t, peak, int64(memory+buffers))
}
