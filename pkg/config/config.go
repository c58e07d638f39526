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

// Memory of one window.
const (
	defaultSlotBytes = 512 << 20 // at least, unless slots says otherwise
	minSlotBytes     = 64 << 20  // below, even small windows fail
)

// Load reads the file at path (none when empty), the environment, and fills in defaults.
func Load(path string, getenv func(string) string) (Config, error) {
	var c Config
	if path != "" {
		data, err := os.ReadFile(path)
		if err != nil {
			return Config{}, fmt.Errorf("configuration: %w", err)
		}
		if err := decode(data, &c); err != nil {
			return Config{}, fmt.Errorf("configuration %s: %w", path, err)
		}
	}
	if err := c.environment(getenv); err != nil {
		return Config{}, err
	}
	c.ensureDefaults()
	if err := c.Validate(); err != nil {
		return Config{}, err
	}
	return c, nil
}

// decode reads the one document in data; an empty file says nothing.
func decode(data []byte, c *Config) error {
	decoder := yaml.NewDecoder(bytes.NewReader(data))
	decoder.KnownFields(true)
	err := decoder.Decode(c)
	if errors.Is(err, io.EOF) {
		return nil
	}
	if err != nil {
		return err
	}
	if err := decoder.Decode(new(yaml.Node)); !errors.Is(err, io.EOF) {
		return errors.New("want one document, found something after it")
	}
	return nil
}

func (c *Config) environment(getenv func(string) string) error {
	for _, v := range []struct {
		name  string
		field *string
	}{
		{"TILERY_DATA_DIR", &c.DataDir},
		{"TILERY_BUCKET", &c.Bucket},
		{"TILERY_ONLINE", &c.Online},
		{"TILERY_SCRATCH", &c.Scratch},
		{"TILERY_SOURCE_ROOT", &c.SourceRoot},
		{"TILERY_CLOCK", &c.Clock},
		{"TILERY_HTTP_LISTEN", &c.HTTP.Listen},
		{"TILERY_TEMPORAL_ADDRESS", &c.Temporal.Address},
		{"TILERY_TEMPORAL_NAMESPACE", &c.Temporal.Namespace},
	} {
		if value := getenv(v.name); value != "" {
			*v.field = value
		}
	}
	if err := number(getenv, "TILERY_BATCH_MEMORY_BYTES", &c.Batch.MemoryBytes); err != nil {
		return err
	}
	return number(getenv, "TILERY_BATCH_SLOTS", &c.Batch.Slots)
}

func number[T int | int64](getenv func(string) string, name string, field *T) error {
	value := getenv(name)
	if value == "" {
		return nil
	}
	n, err := strconv.ParseInt(value, 10, 64)
	if err != nil || int64(T(n)) != n {
		return fmt.Errorf("configuration: %s=%q is not a number of 64 bits", name, value)
	}
	*field = T(n)
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
		c.Batch.Slots = max(1, min(runtime.NumCPU(), int(c.Batch.MemoryBytes/defaultSlotBytes)))
	}
}

// Validate names the first setting that cannot work.
func (c Config) Validate() error {
	host, port, err := net.SplitHostPort(c.HTTP.Listen)
	if err != nil {
		return fmt.Errorf("configuration: http.listen %q: want host:port", c.HTTP.Listen)
	}
	if _, err := strconv.ParseUint(port, 10, 16); err != nil {
		return fmt.Errorf("configuration: http.listen %q: want a port from 0 to 65535", c.HTTP.Listen)
	}
	if ip := net.ParseIP(host); !c.HTTP.AllowRemote && host != "localhost" && (ip == nil || !ip.IsLoopback()) {
		return fmt.Errorf("configuration: http.listen %q is reachable from other machines and requests are not authenticated; set http.allow_remote to have it all the same", c.HTTP.Listen)
	}
	if _, err := clock.Parse(c.Clock); err != nil {
		return fmt.Errorf("configuration: %w", err)
	}
	if c.Batch.Slots < 1 {
		return fmt.Errorf("configuration: batch.slots: want at least 1, got %d", c.Batch.Slots)
	}
	if c.Batch.MemoryBytes/int64(c.Batch.Slots) < minSlotBytes {
		return fmt.Errorf("configuration: batch.memory_bytes: want at least %d for each of %d slots, got %d", minSlotBytes, c.Batch.Slots, c.Batch.MemoryBytes)
	}
	return nil
}
