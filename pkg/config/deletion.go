package config

import (
	"cmp"
	"fmt"
	"time"

	"github.com/tilery/tilery/pkg/keyset"
)

// Deletion bounds the deletion of keys.
type Deletion struct {
	// MaxKeys of a request: 10000, at most 500000.
	MaxKeys int `yaml:"max_keys"`
	// KeyBytes bounds the file of the keys: 256 MiB.
	KeyBytes int64 `yaml:"key_bytes"`
	// BatchBytes is about how much of a table's files one activity writes again: 1 GiB,
	// from 1 MiB to 1 TiB. A deletion has 2000 activities at most.
	BatchBytes int64 `yaml:"batch_bytes"`
	// Grace is how long a write to the online store may be under way that a deletion
	// cannot see: 30s, from online_timeout to 10m, whole seconds.
	Grace time.Duration `yaml:"grace"`
}

const (
	minBatchBytes = 1 << 20
	maxBatchBytes = 1 << 40
	maxGrace      = 10 * time.Minute
)

func (d *Deletion) ensureDefaults(onlineTimeout time.Duration) {
	d.MaxKeys = cmp.Or(d.MaxKeys, 10_000)
	d.KeyBytes = cmp.Or(d.KeyBytes, 256<<20)
	d.BatchBytes = cmp.Or(d.BatchBytes, 1<<30)
	d.Grace = cmp.Or(d.Grace, max(30*time.Second, (onlineTimeout+time.Second-1).Truncate(time.Second)))
}

func (d Deletion) validate(onlineTimeout time.Duration) error {
	switch {
	case d.MaxKeys < 1 || d.MaxKeys > keyset.MaxKeys:
		return fmt.Errorf("configuration: deletion.max_keys: want 1 to %d, got %d", keyset.MaxKeys, d.MaxKeys)
	case d.KeyBytes < 1:
		return fmt.Errorf("configuration: deletion.key_bytes: want at least 1, got %d", d.KeyBytes)
	case d.BatchBytes < minBatchBytes || d.BatchBytes > maxBatchBytes:
		return fmt.Errorf("configuration: deletion.batch_bytes: want %d to %d, got %d", minBatchBytes, int64(maxBatchBytes), d.BatchBytes)
	case d.Grace < onlineTimeout || d.Grace > maxGrace || d.Grace%time.Second != 0:
		return fmt.Errorf("configuration: deletion.grace: want whole seconds from online_timeout, %v, to %v, got %v", onlineTimeout, maxGrace, d.Grace)
	}
	return nil
}
