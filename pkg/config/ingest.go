package config

import (
	"cmp"
	"fmt"
	"time"
)

// Ingest bounds the data frames that are written into feature tables. A frame takes a
// slot of Batch.
type Ingest struct {
	// FrameBytes of one frame's file: 8 GiB.
	FrameBytes int64 `yaml:"frame_bytes"`
	// MemoryBytes is what the rows of one frame take that are sorted in memory: half of
	// what a slot of Batch has, at most 256 MiB.
	MemoryBytes int64 `yaml:"memory_bytes"`
	// ScratchBytes is what the rows of one frame may take below Scratch, beside its file:
	// 64 GiB.
	ScratchBytes int64 `yaml:"scratch_bytes"`
	// MaxFuture is how far after now a timestamp may lie: 10m, from 1s to
	// 24h.
	MaxFuture time.Duration `yaml:"max_future"`
	// Uploads is how many frames are received at a time; others are refused: 8.
	Uploads int `yaml:"uploads"`
}

const (
	defaultIngestBytes = 256 << 20
	minIngestBytes     = 16 << 20
	maxIngestFuture    = 24 * time.Hour
)

func (i *Ingest) ensureDefaults(b Batch) {
	i.FrameBytes = cmp.Or(i.FrameBytes, 8<<30)
	if i.MemoryBytes == 0 && b.Slots > 0 {
		i.MemoryBytes = min(defaultIngestBytes, b.MemoryBytes/int64(b.Slots)/2)
	}
	i.ScratchBytes = cmp.Or(i.ScratchBytes, 64<<30)
	i.MaxFuture = cmp.Or(i.MaxFuture, 10*time.Minute)
	i.Uploads = cmp.Or(i.Uploads, 8)
}

func (i Ingest) validate() error {
	for _, n := range []struct {
		name         string
		value, least int64
	}{
		{"frame_bytes", i.FrameBytes, 1}, {"memory_bytes", i.MemoryBytes, minIngestBytes},
		{"scratch_bytes", i.ScratchBytes, 1}, {"uploads", int64(i.Uploads), 1},
	} {
		if n.value < n.least {
			return fmt.Errorf("configuration: ingest.%s: want at least %d, got %d", n.name, n.least, n.value)
		}
	}
	if i.MaxFuture < time.Second || i.MaxFuture > maxIngestFuture {
		return fmt.Errorf("configuration: ingest.max_future: want %v to %v, got %v", time.Second, maxIngestFuture, i.MaxFuture)
	}
	return nil
}
