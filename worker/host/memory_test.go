package host_test

import (
	"runtime/debug"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tilery/tilery/pkg/config"
	"github.com/tilery/tilery/worker/host"
)

func TestTheHeapIsLimitedToItsShareUnlessTheEnvironmentSaysOtherwise(t *testing.T) {
	before := debug.SetMemoryLimit(-1)
	t.Cleanup(func() { debug.SetMemoryLimit(before) })
	c := config.Config{Batch: config.Batch{MemoryBytes: 2 << 30, Slots: 2}, Retrieval: config.Retrieval{MemoryBytes: 512 << 20}}
	host.LimitMemory(c, 0, func(string) string { return "3GiB" })
	require.Equal(t, before, debug.SetMemoryLimit(-1))
	host.LimitMemory(c, 64<<20, func(string) string { return "" })
	require.Equal(t, int64(1<<30+512<<20+192<<20+64<<20), debug.SetMemoryLimit(-1))
}
