package main

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/tilery/tilery/pkg/api"
	"github.com/tilery/tilery/pkg/feature/repository"
	"github.com/tilery/tilery/pkg/registry"
)

func (c *cli) planCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "plan [DIRECTORY]",
		Short: "Show what applying a feature repository would change",
		Long: "Show what applying the feature repository in DIRECTORY (default: the current one) would change.\n" +
			"Everything is validated, the SQL included; nothing is written.",
		Example: "  tilery plan examples/flights",
		Args:    maxArgs("DIRECTORY"),
		RunE: func(cmd *cobra.Command, args []string) error {
			_, plan, err := c.plan(cmd.Context(), args)
			if err != nil {
				return err
			}
			if c.output == "json" {
				return printJSON(c.out, plan)
			}
			printPlan(c.out, plan.Plan)
			return nil
		},
	}
}

// plan reads the files, checks their form, so that most mistakes are reported
// without a server, and asks the server for the rest.
func (c *cli) plan(ctx context.Context, args []string) (api.PlanRequest, api.PlanResponse, error) {
	directory := "."
	if len(args) == 1 {
		directory = args[0]
	}
	files, err := repository.Read(directory)
	if err != nil {
		return api.PlanRequest{}, api.PlanResponse{}, err
	}
	request := api.PlanRequest{Workspace: c.workspace, Files: files}
	if _, err := repository.Parse(files); err != nil {
		return request, api.PlanResponse{}, fmt.Errorf("%s cannot be used:\n%w", directory, err)
	}
	plan, err := c.client().Plan(ctx, request)
	var answer *api.Error
	if errors.As(err, &answer) && answer.Code == api.InvalidArgument {
		err = fmt.Errorf("%s cannot be used:\n%w", directory, err)
	}
	return request, plan, err
}

var actionSigns = map[registry.Action]string{registry.Create: "+", registry.Update: "~", registry.Recreate: "~", registry.Delete: "-"}

func printPlan(w io.Writer, plan registry.Plan) {
	if len(plan.Changes) == 0 {
		fmt.Fprintf(w, "Workspace %s is up to date with generation %d.\n", plan.Workspace, plan.Base)
		return
	}
	fmt.Fprintf(w, "Plan for workspace %s, now at generation %d:\n\n", plan.Workspace, plan.Base)
	for _, change := range plan.Changes {
		fmt.Fprintf(w, "  %s %s %s %s\n", actionSigns[change.Action], change.Action, change.Kind, change.Name)
		for _, f := range change.Fields {
			fmt.Fprintf(w, "      %s: %s -> %s\n", f.Field, orNone(f.Old), orNone(f.New))
		}
	}
	fmt.Fprintln(w)
}

func orNone(value string) string {
	if value == "" {
		return "(none)"
	}
	return value
}
