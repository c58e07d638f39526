package report

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
)

// Main is what main does in a program that measures or compares: it calls run with the
// arguments, with the standard output, and with a context that is canceled by SIGINT and
// SIGTERM. An error is printed after name and ends the process with 1, but for
// flag.ErrHelp: who asks for help has got it.
func Main(name string, run func(ctx context.Context, args []string, out io.Writer) error) {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:], os.Stdout)
	stop()
	if err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, name+":", err)
		os.Exit(1)
	}
}

// Parse parses arguments that are flags only. It returns what flags.Parse returns, and
// an error for an argument that is no flag.
func Parse(flags *flag.FlagSet, args []string) error {
	if err := flags.Parse(args); err != nil {
		return err
	}
	if flags.NArg() > 0 {
		return fmt.Errorf("unexpected argument %q", flags.Arg(0))
	}
	return nil
}

// InDir calls work with dir or, if that is empty, with a temporary directory that it
// removes afterwards.
func InDir(dir string, work func(dir string) error) (err error) {
	if dir != "" {
		return work(dir)
	}
	if dir, err = os.MkdirTemp("", "tilery-bench-"); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	return work(dir)
}
