package host

import (
	"runtime/debug"

	"github.com/tilery/tilery/pkg/config"
	"github.com/tilery/tilery/pkg/materialize"
	"github.com/tilery/tilery/pkg/retrieve"
	"github.com/tilery/tilery/pkg/serve"
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

// historical divides the memory of requests for historical features evenly.
func historical(r config.Retrieval, scratch string) serve.HistoricalOptions {
	return serve.HistoricalOptions{
		MaxConcurrent: r.Requests, MaxSpine: r.SpineBytes, MaxResult: r.ResultBytes, Timeout: r.Timeout,
		Join: retrieve.Options{
			MemoryBytes: r.MemoryBytes / int64(r.Requests), Threads: r.Threads, ScratchDir: scratch, ScratchBytes: r.ScratchBytes,
		},
		Temporary: temporaryStore(scratch),
	}
}

// jobRetrieval is of jobs, which have the memory and the scratch space of a window.
func jobRetrieval(c config.Config) retrieve.Options {
	slots := int64(c.Batch.Slots)
	return retrieve.Options{
		MemoryBytes: c.Batch.MemoryBytes / slots / 2, Threads: 1, ScratchDir: c.Scratch, ScratchBytes: c.Batch.ScratchBytes / slots,
	}
}

// LimitMemory has the garbage collector keep Go's heap to its share of the batch
// memory, the memory of retrieval, and beside bytes for what else the process does. It
// is a goal and no bound: near it the collector works more. The variable GOMEMLIMIT
// takes precedence.
func LimitMemory(c config.Config, beside int64, getenv func(string) string) {
	if getenv("GOMEMLIMIT") == "" {
		debug.SetMemoryLimit(c.Batch.MemoryBytes/2 + c.Retrieval.MemoryBytes + besideBytes + beside)
	}
}
