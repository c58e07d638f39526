// Command worker is Tilery's long-running process: it polls Temporal for jobs
// and serves the HTTP API. It links no Temporal server; deploy/local does. With
// "test" it runs the tests of a feature repository, needs nothing else, and ends.
package main

import (
	"context"
	"errors"
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
	err := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "tilery-worker:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	if len(args) > 0 && args[0] == "test" {
		return runTests(ctx, args[1:], stdout, stderr)
	}
	flags := flag.NewFlagSet("tilery-worker", flag.ContinueOnError)
	flags.SetOutput(stderr)
	path := flags.String("config", "", "configuration file (YAML); see docs/configuration.md")
	err := flags.Parse(args)
	if errors.Is(err, flag.ErrHelp) {
		return nil
	}
	if err != nil {
		return err
	}
	if flags.NArg() > 0 {
		return fmt.Errorf("unexpected argument %q", flags.Arg(0))
	}
	c, err := config.Load(*path, os.Getenv)
	if err != nil {
		return err
	}
	host.LimitMemory(c, 0, os.Getenv)
	h, err := host.Start(ctx, c, slog.New(slog.NewTextHandler(stderr, nil)))
	if err != nil {
		return err
	}
	fmt.Fprintf(stdout, "Tilery serves %s and polls Temporal at %s\n", h.Address(), c.Temporal.Address)
	select {
	case <-ctx.Done():
	case err = <-h.Failed():
	}
	return errors.Join(err, h.Stop())
}

// runTests carries out "test [-json] DIRECTORY", which tilery test calls: the
// command line has no SQL engine.
func runTests(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	flags := flag.NewFlagSet("tilery-worker test", flag.ContinueOnError)
	flags.SetOutput(stderr)
	asJSON := flags.Bool("json", false, "print one JSON object a test")
	err := flags.Parse(args)
	if errors.Is(err, flag.ErrHelp) {
		return nil
	}
	if err != nil {
		return err
	}
	if flags.NArg() != 1 {
		return fmt.Errorf("want one directory, got %d arguments", flags.NArg())
	}
	return host.TestViews(ctx, flags.Arg(0), *asJSON, stdout)
}
