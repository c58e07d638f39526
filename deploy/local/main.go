// Command tilery-local is Tilery on one machine in one process: a Temporal
// server with its UI, and the worker with its HTTP API, under one data
// directory and on loopback only.
//
// It may be killed at any moment: started again with the same directory it goes
// on where it was. With -temporal-only it is just the Temporal server, for tests
// and for several workers that share one.
package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"

	"github.com/tilery/tilery/deploy/local/temporal"
	"github.com/tilery/tilery/pkg/config"
	"github.com/tilery/tilery/worker/host"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "tilery-local:", err)
		os.Exit(1)
	}
}

// endpoints tell others where a stack listens, by endpointsFile, while it runs.
type endpoints struct {
	HTTP     string `json:"http,omitempty"`
	Temporal string `json:"temporal"`
	UI       string `json:"ui,omitempty"`
	PID      int    `json:"pid"`
}

// endpointsFile is written below the data directory once everything serves, and
// removed when the stack stops.
const endpointsFile = "endpoints.json"

// serverBytes is what the Temporal server takes of the process's heap.
const serverBytes = 512 << 20

type options struct {
	config       string
	temporalPort int
	uiPort       int
	temporalOnly bool
	override     config.Config
}

func parse(args []string, stderr io.Writer) (options, error) {
	var o options
	flags := flag.NewFlagSet("tilery-local", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.StringVar(&o.config, "config", "", "configuration file (YAML); flags and environment variables come before it")
	flags.StringVar(&o.override.DataDir, "data-dir", "", "where everything is kept (default tilery-data)")
	flags.StringVar(&o.override.SourceRoot, "source-root", "", "where the URIs of sources begin (default the working directory)")
	flags.StringVar(&o.override.Clock, "clock", "", "system, fixed:<time>, from:<time> or offset:<duration>")
	flags.StringVar(&o.override.HTTP.Listen, "http", "", "address of the HTTP API; port 0 takes a free one (default 127.0.0.1:7474)")
	flags.IntVar(&o.temporalPort, "temporal-port", 7233, "port of Temporal; 0 takes a free one")
	flags.IntVar(&o.uiPort, "ui-port", 8233, "port of Temporal's UI; 0 takes a free one, -1 is none")
	flags.BoolVar(&o.temporalOnly, "temporal-only", false, "run Temporal and no worker")
	if err := flags.Parse(args); err != nil {
		return o, err
	}
	if flags.NArg() > 0 {
		return o, fmt.Errorf("unexpected argument %q", flags.Arg(0))
	}
	return o, nil
}

// load reads the configuration with the flags in the place of environment variables.
func (o options) load() (config.Config, error) {
	flags := map[string]string{
		"TILERY_DATA_DIR": o.override.DataDir, "TILERY_SOURCE_ROOT": o.override.SourceRoot,
		"TILERY_CLOCK": o.override.Clock, "TILERY_HTTP_LISTEN": o.override.HTTP.Listen,
	}
	return config.Load(o.config, func(name string) string {
		if value := flags[name]; value != "" {
			return value
		}
		return os.Getenv(name)
	})
}

func run(ctx context.Context, args []string, stdout, stderr io.Writer) (err error) {
	o, err := parse(args, stderr)
	if errors.Is(err, flag.ErrHelp) {
		return nil
	}
	if err != nil {
		return err
	}
	c, err := o.load()
	if err != nil {
		return err
	}
	logger := slog.New(slog.NewTextHandler(stderr, nil))
	server, err := temporal.Start(ctx, temporal.Options{
		DataDir: filepath.Join(c.DataDir, "temporal"), FrontendPort: o.temporalPort, UIPort: o.uiPort,
		Namespace: c.Temporal.Namespace, SearchAttributes: host.SearchAttributes(), Logger: logger,
	})
	if err != nil {
		return err
	}
	defer server.Stop()
	at := endpoints{Temporal: server.HostPort(), UI: server.UIURL(), PID: os.Getpid()}
	var failed <-chan error
	if !o.temporalOnly {
		c.Temporal.Address = server.HostPort()
		host.LimitMemory(c, serverBytes, os.Getenv)
		c.Temporal.UI = cmp.Or(c.Temporal.UI, server.UIURL())
		worker, err := host.Start(ctx, c, logger)
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, worker.Stop()) }()
		at.HTTP, failed = worker.Address(), worker.Failed()
	}
	file := filepath.Join(c.DataDir, endpointsFile)
	if err := at.write(file); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.Remove(file)) }()
	at.print(stdout)
	select {
	case <-ctx.Done():
		return nil
	case err := <-failed:
		return err
	}
}

// write puts the file in place at once, so that nobody reads half of it.
func (e endpoints) write(path string) error {
	data, err := json.Marshal(e)
	if err != nil {
		return err
	}
	temporary := path + ".new"
	if err := os.WriteFile(temporary, data, 0o600); err != nil {
		return fmt.Errorf("write endpoints: %w", err)
	}
	return os.Rename(temporary, path)
}

func (e endpoints) print(w io.Writer) {
	fmt.Fprintln(w, "Tilery is up.")
	for _, line := range []struct{ name, value string }{{"HTTP API", e.HTTP}, {"Temporal", e.Temporal}, {"Temporal UI", e.UI}} {
		if line.value != "" {
			fmt.Fprintf(w, "  %-12s %s\n", line.name, line.value)
		}
	}
}
