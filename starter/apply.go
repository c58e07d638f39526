package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/tilery/tilery/pkg/api"
)

func (c *cli) applyCommand() *cobra.Command {
	yes := false
	command := &cobra.Command{
		Use:     "apply [DIRECTORY]",
		Short:   "Apply a feature repository to the workspace",
		Long:    "Plan the feature repository in DIRECTORY (default: the current one), ask, and apply exactly that plan.",
		Example: "  tilery apply examples/flights --yes",
		Args:    maxArgs("DIRECTORY"),
		RunE: func(cmd *cobra.Command, args []string) error {
			request, plan, err := c.plan(cmd.Context(), args)
			if err != nil {
				return err
			}
			ask := len(plan.Changes) > 0 && !yes
			switch {
			case c.output == "table":
				printPlan(c.out, plan.Plan)
			case ask:
				printPlan(c.errOut, plan.Plan) // nobody agrees to what is not shown
			}
			if ask && !c.confirm("Are you sure you want to apply this plan? [y/N]> ") {
				return errors.New("not applied")
			}
			applied, err := c.client().Apply(cmd.Context(), api.ApplyRequest{PlanRequest: request, BaseGeneration: plan.Base})
			if err != nil {
				return err
			}
			if c.output == "json" {
				return printJSON(c.out, applied)
			}
			if len(plan.Changes) > 0 {
				fmt.Fprintf(c.out, "Applied as generation %d.\n", applied.Generation)
			}
			return nil
		},
	}
	command.Flags().BoolVarP(&yes, "yes", "y", false, "do not ask")
	return command
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
