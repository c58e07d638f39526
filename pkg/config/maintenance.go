package config

import (
	"cmp"
	"fmt"
	"time"
)

// Maintenance says how often views are maintained, and what is kept for how long. All
// workers of a bucket must say the same.
type Maintenance struct {
	// Interval is how often a view is maintained: 24h, from 1h to 720h.
	Interval time.Duration `yaml:"interval"`
	// Retention is how long data files stay that the newest version of a table does not
	// need, and what jobs handed on: 168h, from 24h to 8760h. What is built must be
	// committed within a quarter of it.
	Retention time.Duration `yaml:"retention"`
	// LogRetention is how long the versions of a table stay that a checkpoint replaces:
	// 168h, from 24h to 8760h.
	LogRetention time.Duration `yaml:"log_retention"`
	// StoreRetention is how long stores stay that no definition uses: 168h, from 1h to 8760h.
	StoreRetention time.Duration `yaml:"store_retention"`
	// CheckpointEvery is how many versions a table may have after its newest checkpoint:
	// 100, from 1 to 10000.
	CheckpointEvery int64 `yaml:"checkpoint_every"`
	// TargetFileBytes is about the size of compacted files: 256 MiB, from 1 MiB to 4 GiB.
	TargetFileBytes int64 `yaml:"target_file_bytes"`
}

const (
	week = 7 * 24 * time.Hour
	year = 365 * 24 * time.Hour

	minFileBytes       = 1 << 20
	maxFileBytes       = 4 << 30
	maxCheckpointEvery = 10_000
)

func (m *Maintenance) ensureDefaults() {
	m.Interval = cmp.Or(m.Interval, 24*time.Hour)
	m.Retention = cmp.Or(m.Retention, week)
	m.LogRetention = cmp.Or(m.LogRetention, week)
	m.StoreRetention = cmp.Or(m.StoreRetention, week)
	m.CheckpointEvery = cmp.Or(m.CheckpointEvery, 100)
	m.TargetFileBytes = cmp.Or(m.TargetFileBytes, 256<<20)
}

func (m Maintenance) validate() error {
	for _, d := range []struct {
		name               string
		value, least, most time.Duration
	}{
		{"interval", m.Interval, time.Hour, 30 * 24 * time.Hour},
		{"retention", m.Retention, 24 * time.Hour, year},
		{"log_retention", m.LogRetention, 24 * time.Hour, year},
		{"store_retention", m.StoreRetention, time.Hour, year},
	} {
		if d.value < d.least || d.value > d.most {
			return fmt.Errorf("configuration: maintenance.%s: want %v to %v, got %v", d.name, d.least, d.most, d.value)
		}
	}
	if m.CheckpointEvery < 1 || m.CheckpointEvery > maxCheckpointEvery {
		return fmt.Errorf("configuration: maintenance.checkpoint_every: want 1 to %d, got %d", maxCheckpointEvery, m.CheckpointEvery)
	}
	if m.TargetFileBytes < minFileBytes || m.TargetFileBytes > maxFileBytes {
		return fmt.Errorf("configuration: maintenance.target_file_bytes: want %d to %d, got %d", minFileBytes, maxFileBytes, m.TargetFileBytes)
	}
	return nil
}
