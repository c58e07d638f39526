package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/log"

	"github.com/tilery/tilery/pkg/window"
	"github.com/tilery/tilery/workflows"
)

// The live workspace that is always there.
const workspace = "prod"

const definitions = `kind: Entity
name: user
join_keys: [{name: user_id, type: String}]
---
kind: BatchSource
name: events
batch_config: {uri: events-*.parquet, file_format: parquet, timestamp_field: ts}
schema:
  - {name: user_id, type: String}
  - {name: ts, type: Timestamp}
  - {name: amount, type: Int64}
`

// viewDefinition is of a view that only this program starts, one for each run.
const viewDefinition = `---
kind: BatchFeatureView
name: %s
entities: [user]
sources: [events]
mode: sql
transformation: SELECT user_id, ts, amount FROM events
timestamp_field: ts
feature_start_time: %s
batch_schedule: 1d
aggregation_interval: 1h
aggregations:
  - {column: amount, function: sum, time_window: 1h}
  - {column: amount, function: count, time_window: 1h}
  - {column: amount, function: max, time_window: 1h}
online: false
offline: true
batch_trigger: MANUAL
`

func viewName(repetition int) string { return fmt.Sprintf("spending_%d", repetition) }

// stack is a Temporal server and a worker, each a process.
type stack struct {
	o         options
	processes []*exec.Cmd // in the order of their start
	worker    *exec.Cmd
	http      string
	temporal  client.Client
}

const upTime = time.Minute // for a process to come up

func (o options) start(ctx context.Context) (*stack, error) {
	s := &stack{o: o}
	err := s.begin(ctx)
	if err != nil {
		return nil, errors.Join(err, s.stop())
	}
	return s, nil
}

func (s *stack) begin(ctx context.Context) error {
	repository := filepath.Join(s.o.dir, "repository")
	if err := os.MkdirAll(repository, 0o700); err != nil {
		return err
	}
	text := definitions
	for i := range s.o.repetitions {
		text += fmt.Sprintf(viewDefinition, viewName(i), firstDay.Format(time.DateOnly))
	}
	if err := os.WriteFile(filepath.Join(repository, "features.yaml"), []byte(text), 0o600); err != nil {
		return err
	}
	address, err := s.startTemporal()
	if err != nil {
		return err
	}
	if err := s.startWorker(address); err != nil {
		return err
	}
	apply := s.command("tilery", "apply", repository, "--yes", "--workspace", workspace, "--server", s.http)
	apply.Stdout = io.Discard
	if err := apply.Run(); err != nil {
		return fmt.Errorf("apply the definitions: %w", err)
	}
	s.temporal, err = client.DialContext(ctx, client.Options{HostPort: address, Logger: quiet{}})
	return err
}

// startTemporal returns the address that it serves.
func (s *stack) startTemporal() (string, error) {
	dir := filepath.Join(s.o.dir, "temporal")
	command := s.command("tilery-local", "-temporal-only", "-data-dir", dir, "-temporal-port", "0", "-ui-port", "-1")
	if err := s.run(command, "Temporal", ""); err != nil {
		return "", err
	}
	data, err := os.ReadFile(filepath.Join(dir, "endpoints.json"))
	if err != nil {
		return "", err
	}
	var at struct {
		Temporal string `json:"temporal"`
	}
	err = json.Unmarshal(data, &at)
	return at.Temporal, err
}

func (s *stack) startWorker(temporal string) error {
	s.worker = s.command("tilery-worker")
	s.worker.Env = append(os.Environ(),
		"TILERY_DATA_DIR="+filepath.Join(s.o.dir, "tilery"), "TILERY_SOURCE_ROOT="+s.o.sources(),
		"TILERY_CLOCK=fixed:"+firstDay.AddDate(0, 0, s.o.windows).Format(time.RFC3339),
		"TILERY_HTTP_LISTEN=127.0.0.1:0", "TILERY_TEMPORAL_ADDRESS="+temporal,
		"TILERY_BATCH_MEMORY_BYTES="+strconv.FormatInt(s.o.memory, 10), "TILERY_BATCH_SLOTS="+strconv.Itoa(s.o.threads))
	return s.run(s.worker, "Tilery serves ", "http")
}

func (s *stack) command(program string, args ...string) *exec.Cmd {
	command := exec.Command(filepath.Join(s.o.bin, program), args...) //nolint:noctx // ended by stop, in order
	command.Stderr = os.Stderr
	return command
}

// run starts a process and waits until it has printed the line that begins with
// ready, whose word that begins with url becomes s.http.
func (s *stack) run(command *exec.Cmd, ready, scheme string) error {
	out, err := command.StdoutPipe()
	if err != nil {
		return err
	}
	if err := command.Start(); err != nil {
		return err
	}
	s.processes = append(s.processes, command)
	lines := make(chan string)
	go func() {
		defer close(lines)
		for scanner := bufio.NewScanner(out); scanner.Scan(); {
			if strings.HasPrefix(strings.TrimSpace(scanner.Text()), ready) {
				lines <- scanner.Text()
			}
		}
	}()
	select {
	case line, ok := <-lines:
		if !ok {
			return fmt.Errorf("%s ended before it was up", filepath.Base(command.Path))
		}
		for _, word := range strings.Fields(line) {
			if u, err := url.Parse(word); err == nil && scheme != "" && u.Scheme == scheme {
				s.http = word
			}
		}
		return nil
	case <-time.After(upTime):
		return fmt.Errorf("%s is not up after %v", filepath.Base(command.Path), upTime)
	}
}

// stop ends the processes, the last one first.
func (s *stack) stop() error {
	if s.temporal != nil {
		s.temporal.Close()
	}
	var errs []error
	for i := len(s.processes) - 1; i >= 0; i-- {
		if err := s.processes[i].Process.Signal(syscall.SIGTERM); err != nil {
			errs = append(errs, err)
		}
		errs = append(errs, s.processes[i].Wait())
	}
	return errors.Join(errs...)
}

// materialize times the backfill of a repetition's view.
func (s *stack) materialize(ctx context.Context, repetition int) (measurement, error) {
	view := viewName(repetition)
	from, to := window.FromTime(firstDay), window.FromTime(firstDay.AddDate(0, 0, s.o.windows))
	in := workflows.MaterializeInput{Workspace: workspace, View: view, StartTime: &from, EndTime: &to}
	start := time.Now()
	started, err := s.temporal.ExecuteWorkflow(ctx, client.StartWorkflowOptions{
		ID: workflows.MaterializeID(workspace, view, &from, &to), TaskQueue: workflows.TaskQueueControl,
	}, workflows.Materialize, in)
	if err != nil {
		return measurement{}, err
	}
	var result workflows.MaterializeResult
	if err := started.Get(ctx, &result); err != nil {
		return measurement{}, err
	}
	seconds := time.Since(start).Seconds()
	if result.Committed != s.o.windows {
		return measurement{}, fmt.Errorf("%d of %d windows were committed", result.Committed, s.o.windows)
	}
	files, err := s.liveFiles(view)
	if err != nil {
		return measurement{}, err
	}
	return s.o.describe(seconds, files)
}

// liveFiles returns the files of a view's table, by its log.
func (s *stack) liveFiles(view string) ([]string, error) {
	logs, err := filepath.Glob(filepath.Join(s.o.dir, "tilery/bucket/offline", workspace, view, "*/_delta_log/*.json"))
	if err != nil {
		return nil, err
	}
	var files []string
	for _, log := range logs {
		data, err := os.ReadFile(log)
		if err != nil {
			return nil, err
		}
		for line := range bytes.Lines(data) {
			var action struct {
				Add    *struct{ Path string }
				Remove *struct{ Path string }
			}
			if err := json.Unmarshal(line, &action); err != nil {
				return nil, err
			}
			if action.Remove != nil {
				return nil, fmt.Errorf("%s was removed in a table that is written once", action.Remove.Path)
			}
			if action.Add != nil {
				files = append(files, filepath.Join(filepath.Dir(filepath.Dir(log)), action.Add.Path))
			}
		}
	}
	return files, nil
}

// quiet drops what Temporal's client logs.
type quiet struct{}

var _ log.Logger = quiet{}

func (quiet) Debug(string, ...any) {}
func (quiet) Info(string, ...any)  {}
func (quiet) Warn(string, ...any)  {}
func (quiet) Error(string, ...any) {}
