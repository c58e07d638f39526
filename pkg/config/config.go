// Package config is the worker's configuration: one YAML file, then environment
// variables over it, then defaults for what neither says.
//
// Defaults are safe: everything listens on loopback, and a server that would be
// reachable from other machines must be asked for (http.allow_remote), because
// it does not check keys yet. Unknown fields are errors.
package config

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strconv"

	"go.yaml.in/yaml/v3"

	"github.com/tilery/tilery/pkg/clock"
)

// Config is the configuration of one worker.
type Config struct {
	// DataDir is where what has no place of its own is kept; TILERY_DATA_DIR.
	DataDir string `yaml:"data_dir"`
	// Bucket is the directory of the bucket, data_dir/bucket; TILERY_BUCKET.
	Bucket string `yaml:"bucket"`
	// Online is the directory of the embedded online store, data_dir/online; TILERY_ONLINE.
	Online string `yaml:"online"`
	// Scratch is for spilling and unfinished files, data_dir/scratch; TILERY_SCRATCH.
	Scratch string `yaml:"scratch"`
	// SourceRoot is where the URIs of sources begin: the working directory; TILERY_SOURCE_ROOT.
	SourceRoot string `yaml:"source_root"`
	// Clock is the product's clock, see pkg/clock; TILERY_CLOCK.
	Clock    string   `yaml:"clock"`
	HTTP     HTTP     `yaml:"http"`
	Temporal Temporal `yaml:"temporal"`
	Batch    Batch    `yaml:"batch"`
}

// HTTP configures the API.
type HTTP struct {
	// Listen is the address, 127.0.0.1:7474; port 0 takes a free one; TILERY_HTTP_LISTEN.
	Listen string `yaml:"listen"`
	// AllowRemote permits an address that other machines reach.
	AllowRemote bool `yaml:"allow_remote"`
}

// Temporal says which server the worker polls.
type Temporal struct {
	Address   string `yaml:"address"`   // 127.0.0.1:7233; TILERY_TEMPORAL_ADDRESS
	Namespace string `yaml:"namespace"` // default; TILERY_TEMPORAL_NAMESPACE
}

// Batch bounds the windows that a worker builds at a time.
type Batch struct {
	// MemoryBytes is shared by the windows: 1 GiB; TILERY_BATCH_MEMORY_BYTES.
	MemoryBytes int64 `yaml:"memory_bytes"`
	// Slots is how many windows are built at a time: one per core, and at least
	// 512 MiB for each; TILERY_BATCH_SLOTS.
	Slots int `yaml:"slots"`
}

// minSlotBytes is the least memory that a window is given.
const minSlotBytes = 512 << 20

// Load reads the file at path (none when empty), the environment, and fills in defaults.
func Load(path string, getenv func(string) string) (Config, error) {
	var c Config
	if path != "" {
		data, err := os.ReadFile(path)
		if err != nil {
			return Config{}, fmt.Errorf("configuration: %w", err)
		}
		decoder := yaml.NewDecoder(bytes.NewReader(data))
		decoder.KnownFields(true)
		if err := decoder.Decode(&c); err != nil && !errors.Is(err, io.EOF) {
			return Config{}, fmt.Errorf("configuration %s: %w", path, err)
		}
	}
	if err := c.environment(getenv); err != nil {
		return Config{}, err
	}
	c.ensureDefaults()
	return c, c.Validate()
}

func (c *Config) environment(getenv func(string) string) error {
	for name, field := range map[string]*string{
		"TILERY_DATA_DIR": &c.DataDir, "TILERY_BUCKET": &c.Bucket, "TILERY_ONLINE": &c.Online,
		"TILERY_SCRATCH": &c.Scratch, "TILERY_SOURCE_ROOT": &c.SourceRoot, "TILERY_CLOCK": &c.Clock,
		"TILERY_HTTP_LISTEN": &c.HTTP.Listen, "TILERY_TEMPORAL_ADDRESS": &c.Temporal.Address,
		"TILERY_TEMPORAL_NAMESPACE": &c.Temporal.Namespace,
	} {
		if value := getenv(name); value != "" {
			*field = value
		}
	}
	for name, set := range map[string]func(int64){
		"TILERY_BATCH_MEMORY_BYTES": func(n int64) { c.Batch.MemoryBytes = n },
		"TILERY_BATCH_SLOTS":        func(n int64) { c.Batch.Slots = int(n) },
	} {
		value := getenv(name)
		if value == "" {
			continue
		}
		n, err := strconv.ParseInt(value, 10, 64)
		if err != nil {
			return fmt.Errorf("configuration: %s=%q is not a number", name, value)
		}
		set(n)
	}
	return nil
}

func (c *Config) ensureDefaults() {
	fill := func(field *string, value string) {
		if *field == "" {
			*field = value
		}
	}
	fill(&c.DataDir, "tilery-data")
	fill(&c.Bucket, filepath.Join(c.DataDir, "bucket"))
	fill(&c.Online, filepath.Join(c.DataDir, "online"))
	fill(&c.Scratch, filepath.Join(c.DataDir, "scratch"))
	fill(&c.SourceRoot, ".")
	fill(&c.HTTP.Listen, "127.0.0.1:7474")
	fill(&c.Temporal.Address, "127.0.0.1:7233")
	fill(&c.Temporal.Namespace, "default")
	if c.Batch.MemoryBytes == 0 {
		c.Batch.MemoryBytes = 1 << 30
	}
	if c.Batch.Slots == 0 {
		c.Batch.Slots = max(1, min(runtime.NumCPU(), int(c.Batch.MemoryBytes/minSlotBytes)))
	}
}

// Validate names the first setting that cannot work.
func (c Config) Validate() error {
	host, port, err := net.SplitHostPort(c.HTTP.Listen)
	if err != nil {
		return fmt.Errorf("configuration: http.listen %q: want host:port", c.HTTP.Listen)
	}
	if n, err := strconv.ParseUint(port, 10, 16); err != nil || n > 65535 {
		return fmt.Errorf("configuration: http.listen %q: bad port", c.HTTP.Listen)
	}
	if ip := net.ParseIP(host); !c.HTTP.AllowRemote && host != "localhost" && (ip == nil || !ip.IsLoopback()) {
		return fmt.Errorf("configuration: http.listen %q is reachable from other machines and requests are not authenticated; set http.allow_remote to have it all the same", c.HTTP.Listen)
	}
	if _, err := clock.Parse(c.Clock); err != nil {
		return fmt.Errorf("configuration: %w", err)
	}
	if c.Batch.Slots < 1 || c.Batch.MemoryBytes < 64<<20 {
		return fmt.Errorf("configuration: batch: want at least 1 slot and 64 MiB, got %d and %d bytes", c.Batch.Slots, c.Batch.MemoryBytes)
	}
	return nil
}
