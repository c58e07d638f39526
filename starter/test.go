package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"

	"github.com/spf13/cobra"
)

// workerProgram is the program with the SQL engine, which the command line has not.
const workerProgram = "tilery-worker"

// testCommand takes the worker's program that the environment names, if it does.
func (c *cli) testCommand(program string) *cobra.Command {
	command := &cobra.Command{
		Use:   "test [DIRECTORY]",
		Short: "Run the tests of a feature repository, without a server",
		Long: "Run the tests that stand beside the views of the feature repository in DIRECTORY (default: the current one):\n" +
			"rows of the sources in, rows and features out. Nothing but the program tilery-worker is needed, which is looked\n" +
			"for beside this one and in PATH. Plan runs the same tests and refuses a repository where one fails.",
		Example: "  tilery test examples/flights\n  tilery test examples/flights -o json",
		Args:    maxArgs("DIRECTORY"),
		RunE: func(cmd *cobra.Command, args []string) error {
			directory := "."
			if len(args) == 1 {
				directory = args[0]
			}
			if program == "" {
				var err error
				if program, err = findWorker(); err != nil {
					return err
				}
			}
			return c.runTests(cmd.Context(), program, directory)
		},
	}
	command.Flags().StringVar(&program, "worker-program", program, "path of tilery-worker; TILERY_WORKER_PROGRAM")
	return command
}

// findWorker looks for the worker's program beside this one, then in PATH.
func findWorker() (string, error) {
	if self, err := os.Executable(); err == nil {
		beside := filepath.Join(filepath.Dir(self), workerProgram)
		if info, err := os.Stat(beside); err == nil && !info.IsDir() {
			return beside, nil
		}
	}
	found, err := exec.LookPath(workerProgram)
	if err != nil {
		return "", fmt.Errorf("find %s, which runs tests: %w; name it with --worker-program", workerProgram, err)
	}
	return found, nil
}

// errTests is what the worker's program has told the reasons of.
var errTests = errors.New("not all tests passed")

func (c *cli) runTests(ctx context.Context, program, directory string) error {
	args := []string{"test"}
	if c.output == "json" {
		args = append(args, "-json")
	}
	command := exec.CommandContext(ctx, program, append(args, directory)...)
	command.Stdout, command.Stderr = c.out, c.errOut
	err := command.Run()
	var exit *exec.ExitError
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case errors.As(err, &exit):
		return errTests
	case err != nil:
		return fmt.Errorf("run %s: %w", program, err)
	}
	return nil
}
