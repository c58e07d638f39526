package host

import (
	"runtime/debug"

	"github.com/tilery/tilery/pkg/config"
	"github.com/tilery/tilery/pkg/materialize"
)

// besideBytes is what a worker's heap may take beside its windows: caches of the
// stores, requests, Temporal's client.
const besideBytes = 192 << 20

// share divides the memory of the windows evenly. Of a window's, half is the SQL
// engine's, outside of Go's heap, and a third the rows that were gathered; the rest
// is for Arrow and Parquet. So is the room to spill rows when they do not fit.
func share(b config.Batch, scratch string) materialize.Options {
	window := b.MemoryBytes / int64(b.Slots)
	return materialize.Options{
		MemoryBytes: window / 2, BuilderBytes: window / 3, Threads: 1,
		ScratchDir: scratch, ScratchBytes: b.ScratchBytes / int64(b.Slots),
	}
}

// LimitMemory has the garbage collector keep Go's heap to its share of the batch
// memory, and beside bytes for what else the process does. It is a goal and no
// bound: near it the collector works more. The variable GOMEMLIMIT takes precedence.
func LimitMemory(b config.Batch, beside int64, getenv func(string) string) {
	if getenv("GOMEMLIMIT") == "" {
		debug.SetMemoryLimit(b.MemoryBytes/2 + besideBytes + beside)
	}
}
