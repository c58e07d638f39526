package config

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"time"

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
	// BucketTimeout and OnlineTimeout end a call to the bucket or the online store
	// that hangs: 30s and 10s, at least 100ms.
	BucketTimeout time.Duration `yaml:"bucket_timeout"`
	OnlineTimeout time.Duration `yaml:"online_timeout"`
	// Scratch is for spilling and unfinished files, data_dir/scratch; TILERY_SCRATCH.
	Scratch string `yaml:"scratch"`
	// SourceRoot is where the URIs of sources begin: the working directory; TILERY_SOURCE_ROOT.
	SourceRoot string `yaml:"source_root"`
	// Clock is the product's clock, see pkg/clock; TILERY_CLOCK.
	Clock    string   `yaml:"clock"`
	HTTP     HTTP     `yaml:"http"`
	Temporal Temporal `yaml:"temporal"`
	Batch    Batch    `yaml:"batch"`
	Retry    Retry    `yaml:"retry"`
	// MaxJobsPerView is how many jobs of a view run at a time; others wait: 16.
	MaxJobsPerView int         `yaml:"max_jobs_per_view"`
	Maintenance    Maintenance `yaml:"maintenance"`
	Retrieval      Retrieval   `yaml:"retrieval"`
	Ingest         Ingest      `yaml:"ingest"`
	Deletion       Deletion    `yaml:"deletion"`
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
	// Timeout ends an attempt to report a task's result, which is then tried again:
	// 4s, from 100ms to 9s. Temporal's client tries for 10 seconds.
	Timeout time.Duration `yaml:"timeout"`
	// UI is the address of Temporal's pages, for instance http://127.0.0.1:8233: links
	// to jobs begin with it, and there are none without; TILERY_TEMPORAL_UI.
	UI string `yaml:"ui"`
}

// Batch bounds the windows that a worker builds at a time.
type Batch struct {
	// MemoryBytes is shared by the windows: 1 GiB; TILERY_BATCH_MEMORY_BYTES.
	MemoryBytes int64 `yaml:"memory_bytes"`
	// Slots is how many windows are built at a time: one per core, and at least
	// 512 MiB for each; TILERY_BATCH_SLOTS.
	Slots int `yaml:"slots"`
	// ScratchBytes is what the windows that do not fit into their memory may spill to
	// Scratch, shared by them: 20 times MemoryBytes; TILERY_BATCH_SCRATCH_BYTES.
	ScratchBytes int64 `yaml:"scratch_bytes"`
}

// Bounds of timeouts.
const (
	minTimeout         = 100 * time.Millisecond
	maxTemporalTimeout = 9 * time.Second
)

// Memory of one window.
const (
	defaultSlotBytes = 512 << 20 // at least, unless slots says otherwise
	minSlotBytes     = 64 << 20  // below, even small windows fail
	defaultScratch   = 20        // times the memory
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
		{"TILERY_TEMPORAL_UI", &c.Temporal.UI},
	} {
		if value := getenv(v.name); value != "" {
			*v.field = value
		}
	}
	if err := number(getenv, "TILERY_BATCH_MEMORY_BYTES", &c.Batch.MemoryBytes); err != nil {
		return err
	}
	if err := number(getenv, "TILERY_BATCH_SCRATCH_BYTES", &c.Batch.ScratchBytes); err != nil {
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
	c.Retry.ensureDefaults()
	c.Maintenance.ensureDefaults()
	c.Retrieval.ensureDefaults()
	c.MaxJobsPerView = cmp.Or(c.MaxJobsPerView, defaultJobsPerView)
	c.BucketTimeout = cmp.Or(c.BucketTimeout, 30*time.Second)
	c.OnlineTimeout = cmp.Or(c.OnlineTimeout, 10*time.Second)
	c.Temporal.Timeout = cmp.Or(c.Temporal.Timeout, 4*time.Second)
	if c.Batch.MemoryBytes == 0 {
		c.Batch.MemoryBytes = 1 << 30
	}
	if c.Batch.Slots == 0 {
		c.Batch.Slots = max(1, min(runtime.NumCPU(), int(c.Batch.MemoryBytes/defaultSlotBytes)))
	}
	if c.Batch.ScratchBytes == 0 {
		c.Batch.ScratchBytes = c.Batch.MemoryBytes * defaultScratch
	}
	c.Ingest.ensureDefaults(c.Batch)
	c.Deletion.ensureDefaults(c.OnlineTimeout)
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
	if ui, err := url.Parse(c.Temporal.UI); c.Temporal.UI != "" && (err != nil || ui.Host == "" || ui.Scheme != "http" && ui.Scheme != "https") {
		return fmt.Errorf("configuration: temporal.ui %q: want the address of Temporal's pages, for instance http://127.0.0.1:8233", c.Temporal.UI)
	}
	if _, err := clock.Parse(c.Clock); err != nil {
		return fmt.Errorf("configuration: %w", err)
	}
	if err := c.validateTimeouts(); err != nil {
		return err
	}
	if err := c.Retry.validate(); err != nil {
		return err
	}
	if err := c.Maintenance.validate(); err != nil {
		return err
	}
	if err := c.Retrieval.validate(); err != nil {
		return err
	}
	if c.MaxJobsPerView < 1 || c.MaxJobsPerView > maxJobsPerView {
		return fmt.Errorf("configuration: max_jobs_per_view: want 1 to %d, got %d", maxJobsPerView, c.MaxJobsPerView)
	}
	if c.Batch.Slots < 1 {
		return fmt.Errorf("configuration: batch.slots: want at least 1, got %d", c.Batch.Slots)
	}
	if c.Batch.MemoryBytes/int64(c.Batch.Slots) < minSlotBytes {
		return fmt.Errorf("configuration: batch.memory_bytes: want at least %d for each of %d slots, got %d", minSlotBytes, c.Batch.Slots, c.Batch.MemoryBytes)
	}
	if c.Batch.ScratchBytes < c.Batch.MemoryBytes {
		return fmt.Errorf("configuration: batch.scratch_bytes: want at least batch.memory_bytes, %d, got %d", c.Batch.MemoryBytes, c.Batch.ScratchBytes)
	}
	if err := c.Ingest.validate(); err != nil {
		return err
	}
	return c.Deletion.validate(c.OnlineTimeout)
}

func (c Config) validateTimeouts() error {
	for _, t := range []struct {
		name  string
		value time.Duration
	}{{"bucket_timeout", c.BucketTimeout}, {"online_timeout", c.OnlineTimeout}, {"temporal.timeout", c.Temporal.Timeout}} {
		if t.value < minTimeout {
			return fmt.Errorf("configuration: %s: want at least %v, got %v", t.name, minTimeout, t.value)
		}
	}
	if c.Temporal.Timeout > maxTemporalTimeout {
		return fmt.Errorf("configuration: temporal.timeout: want at most %v, got %v", maxTemporalTimeout, c.Temporal.Timeout)
	}
	return nil
}
