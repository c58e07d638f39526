// Command tilery plans and applies feature repositories, starts jobs and reads
// features. It talks to the worker's HTTP API and to Temporal; everything that
// it starts runs on without it.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/spf13/cobra"
	"go.temporal.io/sdk/client"
	sdklog "go.temporal.io/sdk/log"

	tilery "github.com/tilery/tilery/pkg/client"
	"github.com/tilery/tilery/pkg/registry"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := run(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr, os.Getenv)
	stop()
	os.Exit(code)
}

// run carries out one command line and returns the exit code: 0 done, 1 failed,
// 2 the command line is wrong.
func run(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer, getenv func(string) string) int {
	c := &cli{in: stdin, out: stdout, errOut: stderr}
	root := c.root(getenv)
	root.SetArgs(args)
	root.SetIn(stdin)
	root.SetOut(stdout)
	root.SetErr(stderr)
	err := root.ExecuteContext(ctx)
	if err == nil {
		return 0
	}
	fmt.Fprintln(stderr, "tilery:", err)
	var usage usageError
	if errors.As(err, &usage) {
		return 2
	}
	return 1
}

// usageError is a command line that cannot be carried out.
type usageError struct{ error }

func (e usageError) Unwrap() error { return e.error }

// cli is what every command shares.
type cli struct {
	in          io.Reader
	out, errOut io.Writer

	server    string
	temporal  string
	namespace string
	workspace string
	output    string
}

func (c *cli) root(getenv func(string) string) *cobra.Command {
	root := &cobra.Command{
		Use:           "tilery",
		Short:         "Define, materialize and read machine-learning features",
		SilenceErrors: true,
		SilenceUsage:  true,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) > 0 {
				return usageError{fmt.Errorf("unknown command %q, see tilery --help", args[0])}
			}
			return nil
		},
		RunE: func(command *cobra.Command, _ []string) error { return command.Help() },
		PersistentPreRunE: func(*cobra.Command, []string) error {
			if c.output != "table" && c.output != "json" {
				return usageError{fmt.Errorf("-o %s: want table or json", c.output)}
			}
			if err := registry.CheckWorkspace(c.workspace); err != nil {
				return usageError{err}
			}
			return nil
		},
	}
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return usageError{err} })
	env := func(name, otherwise string) string {
		if value := getenv(name); value != "" {
			return value
		}
		return otherwise
	}
	flags := root.PersistentFlags()
	flags.StringVar(&c.server, "server", env("TILERY_SERVER", "http://127.0.0.1:7474"), "address of the worker's HTTP API; TILERY_SERVER")
	flags.StringVar(&c.temporal, "temporal-address", env("TILERY_TEMPORAL_ADDRESS", "127.0.0.1:7233"), "address of Temporal; TILERY_TEMPORAL_ADDRESS")
	flags.StringVar(&c.namespace, "temporal-namespace", env("TILERY_TEMPORAL_NAMESPACE", "default"), "Temporal namespace; TILERY_TEMPORAL_NAMESPACE")
	flags.StringVarP(&c.workspace, "workspace", "w", env("TILERY_WORKSPACE", "prod"), "workspace; TILERY_WORKSPACE")
	flags.StringVarP(&c.output, "output", "o", "table", "output format: table or json")
	root.AddCommand(c.testCommand(env("TILERY_WORKER_PROGRAM", "")), c.planCommand(), c.applyCommand(), c.describeCommand(), c.workspaceCommand(),
		c.materializeCommand(), c.ingestCommand(), c.statusCommand(), c.jobsCommand(), c.jobCommand(), c.restoreOnlineCommand(), c.maintainCommand(),
		c.getOnlineCommand(), c.historicalCommand(), c.rangeCommand(), c.datasetsCommand(), c.deleteKeysCommand(), c.deletionStatusCommand(), c.deletionCommand(), c.runCommand(), c.versionCommand())
	return root
}

func (c *cli) client() *tilery.Client { return tilery.New(c.server) }

// dial connects to Temporal; the caller closes the client.
func (c *cli) dial(ctx context.Context) (client.Client, error) {
	t, err := client.DialContext(ctx, client.Options{HostPort: c.temporal, Namespace: c.namespace, Logger: sdklog.NewStructuredLogger(silent)})
	if err != nil {
		return nil, fmt.Errorf("connect to Temporal at %s, is it running?: %w", c.temporal, err)
	}
	return t, nil
}

// exactArgs wants one argument for each name.
func exactArgs(names ...string) cobra.PositionalArgs { return someArgs(len(names), names...) }

// maxArgs wants at most one argument for each name.
func maxArgs(names ...string) cobra.PositionalArgs { return someArgs(0, names...) }

func someArgs(least int, names ...string) cobra.PositionalArgs {
	want := strings.Join(names, " ")
	switch {
	case len(names) == 0:
		want = "no arguments"
	case least == 0:
		want = "at most " + want
	}
	return func(_ *cobra.Command, args []string) error {
		if len(args) < least || len(args) > len(names) {
			return usageError{fmt.Errorf("want %s, got %d arguments", want, len(args))}
		}
		return nil
	}
}
