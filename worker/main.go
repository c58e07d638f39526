// Command worker is Tilery's long-running process: it polls Temporal for jobs
// and serves the HTTP API. It links no Temporal server; deploy/local does.
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"syscall"

	"github.com/tilery/tilery/pkg/config"
	"github.com/tilery/tilery/worker/host"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:], os.Stdout, os.Stderr); err != nil {
		fmt.Fprintln(os.Stderr, "tilery-worker:", err)
		os.Exit(1) //nolint:gocritic // nothing is left to defer: run has stopped everything
	}
}

func run(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	flags := flag.NewFlagSet("tilery-worker", flag.ContinueOnError)
	flags.SetOutput(stderr)
	path := flags.String("config", "", "configuration file (YAML); see docs/configuration.md")
	if err := flags.Parse(args); err != nil {
		return err
	}
	c, err := config.Load(*path, os.Getenv)
	if err != nil {
		return err
	}
	h, err := host.Start(ctx, c, slog.New(slog.NewTextHandler(stderr, nil)))
	if err != nil {
		return err
	}
	fmt.Fprintf(stdout, "Tilery serves %s and polls Temporal at %s\n", h.Address(), c.Temporal.Address)
	select {
	case <-ctx.Done():
	case err = <-h.Failed():
	}
	if stopped := h.Stop(); err == nil {
		err = stopped
	}
	return err
}
