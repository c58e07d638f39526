package config_test

import (
	"os"
	"path/filepath"
	"runtime"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tilery/tilery/pkg/config"
)

func load(t *testing.T, content string, environment map[string]string) (config.Config, error) {
	path := filepath.Join(t.TempDir(), "worker.yaml")
	require.NoError(t, os.WriteFile(path, []byte(content), 0o600))
	return config.Load(path, func(name string) string { return environment[name] })
}

var defaultRetry = config.Retry{
	InfrastructureAttempts: 100, FailureAttempts: 10, FailureBackoff: 5 * time.Minute, MaxBackoff: time.Hour,
}

var defaultMaintenance = config.Maintenance{
	Interval: 24 * time.Hour, Retention: 168 * time.Hour, LogRetention: 168 * time.Hour, StoreRetention: 168 * time.Hour,
	CheckpointEvery: 100, TargetFileBytes: 256 << 20,
}

var defaultRetrieval = config.Retrieval{
	MemoryBytes: 512 << 20, Requests: 2, Threads: runtime.NumCPU(), ScratchBytes: 64 << 30,
	SpineBytes: 256 << 20, ResultBytes: 4 << 30, Timeout: 10 * time.Minute,
}

var defaultIngest = config.Ingest{
	FrameBytes: 8 << 30, MemoryBytes: 256 << 20, ScratchBytes: 64 << 30, MaxFuture: 10 * time.Minute, Uploads: 8,
}

var defaultDeletion = config.Deletion{MaxKeys: 10_000, KeyBytes: 256 << 20, BatchBytes: 1 << 30, Grace: 30 * time.Second}

func TestDefaults(t *testing.T) {
	want := config.Config{
		DataDir: "tilery-data", Bucket: "tilery-data/bucket", Online: "tilery-data/online", Scratch: "tilery-data/scratch",
		SourceRoot: ".", HTTP: config.HTTP{Listen: "127.0.0.1:7474"},
		Temporal:      config.Temporal{Address: "127.0.0.1:7233", Namespace: "default", Timeout: 4 * time.Second},
		BucketTimeout: 30 * time.Second, OnlineTimeout: 10 * time.Second,
		Batch: config.Batch{MemoryBytes: 1 << 30, Slots: min(2, runtime.NumCPU()), ScratchBytes: 20 << 30},
		Retry: defaultRetry, MaxJobsPerView: 16, Maintenance: defaultMaintenance, Retrieval: defaultRetrieval, Ingest: defaultIngest, Deletion: defaultDeletion,
	}
	c, err := config.Load("", func(string) string { return "" })
	require.NoError(t, err)
	require.Equal(t, want, c)
	for _, content := range []string{"", "# nothing\n", "---\n"} {
		c, err = load(t, content, nil)
		require.NoError(t, err)
		require.Equal(t, want, c)
	}
}

func TestEverySettingOfTheFileIsTaken(t *testing.T) {
	c, err := load(t, `data_dir: d
bucket: b
online: o
scratch: s
source_root: r
clock: fixed:2001-02-01
bucket_timeout: 1m
online_timeout: 500ms
http: {listen: "0.0.0.0:80", allow_remote: true}
temporal: {address: "t:1", namespace: n, ui: "http://u:1", timeout: 9s}
batch: {memory_bytes: 268435456, slots: 3, scratch_bytes: 1073741824}
retry: {infrastructure_attempts: 7, failure_attempts: 3, failure_backoff: 10ms, max_backoff: 2s}
max_jobs_per_view: 2
maintenance: {interval: 12h, retention: 24h, log_retention: 48h, store_retention: 1h, checkpoint_every: 7, target_file_bytes: 1048576}
retrieval: {memory_bytes: 67108864, requests: 1, threads: 3, scratch_bytes: 1, spine_bytes: 2, result_bytes: 4, timeout: 1s}
ingest: {frame_bytes: 1, memory_bytes: 33554432, scratch_bytes: 2, max_future: 1h, uploads: 3}
deletion: {max_keys: 7, key_bytes: 8, batch_bytes: 1048576, grace: 1s}
`, nil)
	require.NoError(t, err)
	require.Equal(t, config.Config{
		DataDir: "d", Bucket: "b", Online: "o", Scratch: "s", SourceRoot: "r", Clock: "fixed:2001-02-01",
		HTTP:          config.HTTP{Listen: "0.0.0.0:80", AllowRemote: true},
		Temporal:      config.Temporal{Address: "t:1", Namespace: "n", UI: "http://u:1", Timeout: 9 * time.Second},
		BucketTimeout: time.Minute, OnlineTimeout: 500 * time.Millisecond,
		Batch:          config.Batch{MemoryBytes: 256 << 20, Slots: 3, ScratchBytes: 1 << 30},
		Retry:          config.Retry{InfrastructureAttempts: 7, FailureAttempts: 3, FailureBackoff: 10 * time.Millisecond, MaxBackoff: 2 * time.Second},
		MaxJobsPerView: 2,
		Maintenance: config.Maintenance{
			Interval: 12 * time.Hour, Retention: 24 * time.Hour, LogRetention: 48 * time.Hour, StoreRetention: time.Hour,
			CheckpointEvery: 7, TargetFileBytes: 1 << 20,
		},
		Retrieval: config.Retrieval{MemoryBytes: 64 << 20, Requests: 1, Threads: 3, ScratchBytes: 1, SpineBytes: 2, ResultBytes: 4, Timeout: time.Second},
		Ingest:    config.Ingest{FrameBytes: 1, MemoryBytes: 32 << 20, ScratchBytes: 2, MaxFuture: time.Hour, Uploads: 3},
		Deletion:  config.Deletion{MaxKeys: 7, KeyBytes: 8, BatchBytes: 1 << 20, Grace: time.Second},
	}, c)
}

func TestTheEnvironmentIsOverTheFile(t *testing.T) {
	smallIngest := defaultIngest
	smallIngest.MemoryBytes = 32 << 20 // half a slot's
	file := "data_dir: file\nbucket: file\nbatch: {slots: 1, memory_bytes: 67108864}\nhttp: {listen: '127.0.0.1:1'}\n"
	c, err := load(t, file, map[string]string{
		"TILERY_DATA_DIR": "d", "TILERY_BUCKET": "b", "TILERY_ONLINE": "o", "TILERY_SCRATCH": "s", "TILERY_SOURCE_ROOT": "r",
		"TILERY_CLOCK": "system", "TILERY_HTTP_LISTEN": "localhost:2", "TILERY_TEMPORAL_ADDRESS": "t:1", "TILERY_TEMPORAL_NAMESPACE": "n", "TILERY_TEMPORAL_UI": "https://u",
		"TILERY_BATCH_MEMORY_BYTES": "134217728", "TILERY_BATCH_SLOTS": "2", "TILERY_BATCH_SCRATCH_BYTES": "134217728",
	})
	require.NoError(t, err)
	require.Equal(t, config.Config{
		DataDir: "d", Bucket: "b", Online: "o", Scratch: "s", SourceRoot: "r", Clock: "system",
		HTTP: config.HTTP{Listen: "localhost:2"}, Temporal: config.Temporal{Address: "t:1", Namespace: "n", UI: "https://u", Timeout: 4 * time.Second},
		BucketTimeout: 30 * time.Second, OnlineTimeout: 10 * time.Second,
		Batch: config.Batch{MemoryBytes: 128 << 20, Slots: 2, ScratchBytes: 128 << 20},
		Retry: defaultRetry, MaxJobsPerView: 16, Maintenance: defaultMaintenance, Retrieval: defaultRetrieval, Ingest: smallIngest, Deletion: defaultDeletion,
	}, c)

	c, err = load(t, file, map[string]string{"TILERY_DATA_DIR": "env"})
	require.NoError(t, err)
	require.Equal(t, "file", c.Bucket)
	require.Equal(t, "env/online", c.Online)
}

func TestSlotsFitIntoTheMemory(t *testing.T) {
	for memory, want := range map[string]int{
		"67108864":    1,
		"536870912":   1,
		"1073741823":  1,
		"1073741824":  min(2, runtime.NumCPU()),
		"17179869184": min(32, runtime.NumCPU()),
	} {
		c, err := load(t, "batch: {memory_bytes: "+memory+"}", nil)
		require.NoError(t, err)
		require.Equal(t, want, c.Batch.Slots, memory)
	}
}

func TestRefusals(t *testing.T) {
	const remote = " is reachable from other machines and requests are not authenticated; set http.allow_remote to have it all the same"
	for name, c := range map[string]struct {
		file        string
		environment map[string]string
		want        string
	}{
		"unknown field":      {"data_dirs: a\n", nil, "line 1: field data_dirs not found in type config.Config"},
		"unknown in section": {"http:\n  port: 1\n", nil, "line 2: field port not found in type config.HTTP"},
		"wrong type":         {"batch: {slots: many}\n", nil, "line 1: cannot unmarshal !!str `many` into int"},
		"two documents":      {"data_dir: a\n---\ndata_dir: b\n", nil, "want one document, found something after it"},
		"no attempts":        {"retry: {failure_attempts: -1}\n", nil, "configuration: retry.failure_attempts: want 1 to 1000, got -1"},
		"too many attempts":  {"retry: {infrastructure_attempts: 1001}\n", nil, "configuration: retry.infrastructure_attempts: want 1 to 1000, got 1001"},
		"a long first wait":  {"retry: {failure_backoff: 2h, max_backoff: 1h}\n", nil, "want failure_backoff from 0 to max_backoff"},
		"no jobs":            {"max_jobs_per_view: -1\n", nil, "configuration: max_jobs_per_view: want 1 to 1000, got -1"},
		"a short retention":  {"maintenance: {retention: 23h}\n", nil, "configuration: maintenance.retention: want 24h0m0s to 8760h0m0s, got 23h0m0s"},
		"a short log":        {"maintenance: {log_retention: 1h}\n", nil, "configuration: maintenance.log_retention: want 24h0m0s to 8760h0m0s, got 1h0m0s"},
		"no store retention": {"maintenance: {store_retention: -1h}\n", nil, "configuration: maintenance.store_retention: want 1h0m0s to 8760h0m0s, got -1h0m0s"},
		"a long interval":    {"maintenance: {interval: 721h}\n", nil, "configuration: maintenance.interval: want 1h0m0s to 720h0m0s, got 721h0m0s"},
		"no checkpoints":     {"maintenance: {checkpoint_every: -1}\n", nil, "configuration: maintenance.checkpoint_every: want 1 to 10000, got -1"},
		"small files":        {"maintenance: {target_file_bytes: 1}\n", nil, "configuration: maintenance.target_file_bytes: want 1048576 to 4294967296, got 1"},
		"no requests":        {"retrieval: {requests: -1}\n", nil, "configuration: retrieval.requests: want at least 1, got -1"},
		"crowded retrieval":  {"retrieval: {requests: 9}\n", nil, "configuration: retrieval.memory_bytes: want at least 67108864 for each of 9 requests, got 536870912"},
		"no threads":         {"retrieval: {threads: -1}\n", nil, "configuration: retrieval.threads: want 1 to 256, got -1"},
		"no spines":          {"retrieval: {spine_bytes: -1}\n", nil, "configuration: retrieval.spine_bytes: want at least 1, got -1"},
		"no frames":          {"ingest: {frame_bytes: -1}\n", nil, "configuration: ingest.frame_bytes: want at least 1, got -1"},
		"a tiny ingest":      {"ingest: {memory_bytes: 1}\n", nil, "configuration: ingest.memory_bytes: want at least 16777216, got 1"},
		"a distant future":   {"ingest: {max_future: 25h}\n", nil, "configuration: ingest.max_future: want 1s to 24h0m0s, got 25h0m0s"},
		"a long retrieval":   {"retrieval: {timeout: 25h}\n", nil, "configuration: retrieval.timeout: want 1s to 24h0m0s, got 25h0m0s"},
		"many keys":          {"deletion: {max_keys: 500001}\n", nil, "configuration: deletion.max_keys: want 1 to 500000, got 500001"},
		"tiny batches":       {"deletion: {batch_bytes: 1}\n", nil, "configuration: deletion.batch_bytes: want 1048576 to 1099511627776, got 1"},
		"no bytes of keys":   {"deletion: {key_bytes: -1}\n", nil, "configuration: deletion.key_bytes: want at least 1, got -1"},
		"a short grace":      {"deletion: {grace: 9s}\n", nil, "configuration: deletion.grace: want whole seconds from online_timeout, 10s, to 10m0s, got 9s"},
		"no number":          {"", map[string]string{"TILERY_BATCH_SLOTS": "two"}, `configuration: TILERY_BATCH_SLOTS="two" is not a number of 64 bits`},
		"large number":       {"", map[string]string{"TILERY_BATCH_MEMORY_BYTES": "9223372036854775808"}, "is not a number of 64 bits"},
		"no port":            {"http: {listen: localhost}\n", nil, `configuration: http.listen "localhost": want host:port`},
		"named port":         {"http: {listen: 'localhost:http'}\n", nil, `configuration: http.listen "localhost:http": want a port from 0 to 65535`},
		"empty port":         {"http: {listen: 'localhost:'}\n", nil, `configuration: http.listen "localhost:": want a port from 0 to 65535`},
		"port out of range":  {"http: {listen: 'localhost:65536'}\n", nil, `want a port from 0 to 65535`},
		"any address":        {"http: {listen: ':7474'}\n", nil, `configuration: http.listen ":7474"` + remote},
		"any IPv4 address":   {"http: {listen: '0.0.0.0:7474'}\n", nil, remote},
		"any IPv6 address":   {"http: {listen: '[::]:7474'}\n", nil, remote},
		"an address":         {"http: {listen: '192.168.0.1:7474'}\n", nil, remote},
		"a name":             {"http: {listen: 'example.com:7474'}\n", nil, remote},
		"by the environment": {"", map[string]string{"TILERY_HTTP_LISTEN": ":80"}, remote},
		"UI without scheme":  {"temporal: {ui: 'localhost:8233'}\n", nil, `configuration: temporal.ui "localhost:8233": want the address of Temporal's pages, for instance http://127.0.0.1:8233`},
		"UI of another kind": {"temporal: {ui: 'ftp://localhost'}\n", nil, `configuration: temporal.ui "ftp://localhost"`},
		"clock":              {"clock: yesterday\n", nil, `configuration: clock "yesterday": want system,`},
		"a short timeout":    {"bucket_timeout: 99ms\n", nil, "configuration: bucket_timeout: want at least 100ms, got 99ms"},
		"a negative timeout": {"online_timeout: -1s\n", nil, "configuration: online_timeout: want at least 100ms, got -1s"},
		"a long timeout":     {"temporal: {timeout: 10s}\n", nil, "configuration: temporal.timeout: want at most 9s, got 10s"},
		"no slots":           {"batch: {slots: -1}\n", nil, "configuration: batch.slots: want at least 1, got -1"},
		"little memory":      {"batch: {memory_bytes: 1000}\n", nil, "configuration: batch.memory_bytes: want at least 67108864 for each of 1 slots, got 1000"},
		"negative memory":    {"batch: {memory_bytes: -1}\n", nil, "want at least 67108864 for each of 1 slots, got -1"},
		"little scratch":     {"batch: {scratch_bytes: 1000}\n", nil, "configuration: batch.scratch_bytes: want at least batch.memory_bytes, 1073741824, got 1000"},
		"many slots":         {"batch: {slots: 17, memory_bytes: 1073741824}\n", nil, "want at least 67108864 for each of 17 slots, got 1073741824"},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := load(t, c.file, c.environment)
			require.ErrorContains(t, err, c.want)
			require.Zero(t, got)
		})
	}
	_, err := config.Load(filepath.Join(t.TempDir(), "missing.yaml"), os.Getenv)
	require.ErrorIs(t, err, os.ErrNotExist)
}

func TestLoopbackNeedsNoLeave(t *testing.T) {
	for _, listen := range []string{"127.0.0.1:0", "127.1.2.3:80", "[::1]:7474", "localhost:65535"} {
		_, err := load(t, "http: {listen: '"+listen+"'}\n", nil)
		require.NoError(t, err, listen)
	}
	for _, listen := range []string{":7474", "0.0.0.0:7474", "example.com:7474"} {
		_, err := load(t, "http: {allow_remote: true, listen: '"+listen+"'}\n", nil)
		require.NoError(t, err, listen)
	}
}
