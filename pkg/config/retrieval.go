package config

import (
	"cmp"
	"fmt"
	"runtime"
	"time"
)

// Retrieval bounds requests for historical features. They are worked on beside the
// windows of Batch.
type Retrieval struct {
	// MemoryBytes is shared by the requests: 512 MiB.
	MemoryBytes int64 `yaml:"memory_bytes"`
	// Requests is how many are worked on at a time; others are refused: 2.
	Requests int `yaml:"requests"`
	// Threads of each request: one per core.
	Threads int `yaml:"threads"`
	// ScratchBytes is what each request may sort below Scratch, beside the spine and the
	// result: 64 GiB.
	ScratchBytes int64 `yaml:"scratch_bytes"`
	// SpineBytes and ResultBytes bound the files that come and go: 256 MiB and 4 GiB.
	SpineBytes  int64 `yaml:"spine_bytes"`
	ResultBytes int64 `yaml:"result_bytes"`
	// Timeout ends a request without a result: 10m, from 1s to 24h.
	Timeout time.Duration `yaml:"timeout"`
}

const (
	minRetrievalBytes   = 64 << 20 // of one request
	maxRetrievalThreads = 256
	maxRetrievalTimeout = 24 * time.Hour
)

func (r *Retrieval) ensureDefaults() {
	r.MemoryBytes = cmp.Or(r.MemoryBytes, 512<<20)
	r.Requests = cmp.Or(r.Requests, 2)
	r.Threads = cmp.Or(r.Threads, min(runtime.NumCPU(), maxRetrievalThreads))
	r.ScratchBytes = cmp.Or(r.ScratchBytes, 64<<30)
	r.SpineBytes = cmp.Or(r.SpineBytes, 256<<20)
	r.ResultBytes = cmp.Or(r.ResultBytes, 4<<30)
	r.Timeout = cmp.Or(r.Timeout, 10*time.Minute)
}

func (r Retrieval) validate() error {
	if r.Requests < 1 {
		return fmt.Errorf("configuration: retrieval.requests: want at least 1, got %d", r.Requests)
	}
	if r.MemoryBytes/int64(r.Requests) < minRetrievalBytes {
		return fmt.Errorf("configuration: retrieval.memory_bytes: want at least %d for each of %d requests, got %d", minRetrievalBytes, r.Requests, r.MemoryBytes)
	}
	if r.Threads < 1 || r.Threads > maxRetrievalThreads {
		return fmt.Errorf("configuration: retrieval.threads: want 1 to %d, got %d", maxRetrievalThreads, r.Threads)
	}
	for _, size := range []struct {
		name  string
		value int64
	}{{"scratch_bytes", r.ScratchBytes}, {"spine_bytes", r.SpineBytes}, {"result_bytes", r.ResultBytes}} {
		if size.value < 1 {
			return fmt.Errorf("configuration: retrieval.%s: want at least 1, got %d", size.name, size.value)
		}
	}
	if r.Timeout < time.Second || r.Timeout > maxRetrievalTimeout {
		return fmt.Errorf("configuration: retrieval.timeout: want %v to %v, got %v", time.Second, maxRetrievalTimeout, r.Timeout)
	}
	return nil
}
