package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/tilery/tilery/pkg/api"
	"github.com/tilery/tilery/pkg/feature/repository"
)

func (c *cli) applyCommand() *cobra.Command {
	yes, saved := false, ""
	command := &cobra.Command{
		Use:   "apply [DIRECTORY | PLAN]",
		Short: "Apply a feature repository to the workspace",
		Long: "Plan the feature repository in DIRECTORY (default: the current one), ask, and apply exactly that plan.\n" +
			"Given a file that tilery plan --out wrote, apply that plan, if nothing has changed since it was made: neither\n" +
			"the files, nor the workspace, nor what the server makes of them.",
		Example: "  tilery apply examples/flights --yes\n  tilery apply --plan flights.plan",
		Args:    maxArgs("DIRECTORY or PLAN"),
		RunE: func(cmd *cobra.Command, args []string) error {
			directory := "."
			if len(args) == 1 {
				directory = args[0]
			}
			if info, err := os.Stat(directory); saved == "" && err == nil && info.Mode().IsRegular() {
				saved = directory
			} else if saved != "" && len(args) == 1 {
				return usageError{errors.New("want DIRECTORY or --plan, not both: the plan knows its directory")}
			}
			var p planned
			var err error
			if saved != "" {
				p, err = c.planSaved(cmd.Context(), saved, cmd.Flags().Changed("workspace"))
			} else {
				p, err = c.plan(cmd.Context(), directory)
			}
			if err != nil {
				return err
			}
			return c.apply(cmd.Context(), p, yes)
		},
	}
	command.Flags().BoolVarP(&yes, "yes", "y", false, "do not ask")
	command.Flags().StringVar(&saved, "plan", "", "apply the plan in this file")
	return command
}

// planSaved plans what a saved plan was made of, and refuses an outcome that is
// not the saved one.
func (c *cli) planSaved(ctx context.Context, path string, chosen bool) (planned, error) {
	saved, err := loadPlan(path)
	if err != nil {
		return planned{}, err
	}
	if chosen && c.workspace != saved.Plan.Workspace {
		return planned{}, usageError{fmt.Errorf("--workspace %s: the plan is for workspace %s", c.workspace, saved.Plan.Workspace)}
	}
	c.workspace = saved.Plan.Workspace
	files, err := repository.Read(saved.Directory)
	if err != nil {
		return planned{}, err
	}
	if err := saved.checkFiles(files); err != nil {
		return planned{}, err
	}
	p, err := c.planFiles(ctx, saved.Directory, files)
	if err != nil {
		return planned{}, err
	}
	return p, saved.checkAnswer(p)
}

func (c *cli) apply(ctx context.Context, p planned, yes bool) error {
	ask := len(p.response.Changes) > 0 && !yes
	switch {
	case c.output == "table":
		printPlan(c.out, p.response, p.id)
	case ask:
		printPlan(c.errOut, p.response, p.id) // nobody agrees to what is not shown
	}
	if ask && !c.confirm("Are you sure you want to apply this plan? [y/N]> ") {
		return errors.New("not applied")
	}
	applied, err := c.client().Apply(ctx, api.ApplyRequest{PlanRequest: p.request, BaseGeneration: p.response.Base})
	if err != nil {
		return err
	}
	if c.output == "json" {
		return printJSON(c.out, applied)
	}
	if len(p.response.Changes) > 0 {
		fmt.Fprintf(c.out, "Applied as generation %d.\n", applied.Generation)
	}
	return nil
}

// maxAnswer bounds the line that confirm reads, in bytes.
const maxAnswer = 1 << 10

// confirm asks on the error stream, so that the output stays what was asked for.
func (c *cli) confirm(question string) bool {
	fmt.Fprint(c.errOut, question)
	answer, err := bufio.NewReader(io.LimitReader(c.in, maxAnswer)).ReadString('\n')
	if err != nil && !errors.Is(err, io.EOF) {
		return false
	}
	answer = strings.TrimSpace(answer)
	return strings.EqualFold(answer, "y") || strings.EqualFold(answer, "yes")
}
