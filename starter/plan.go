package main

import (
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
			request, err := c.readRepository(args)
			if err != nil {
				return err
			}
			plan, err := c.client().Plan(cmd.Context(), request)
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

// readRepository reads the files and checks their form, so that most mistakes
// are reported without a server.
func (c *cli) readRepository(args []string) (api.PlanRequest, error) {
	directory := "."
	if len(args) == 1 {
		directory = args[0]
	}
	files, err := repository.Read(directory)
	if err != nil {
		return api.PlanRequest{}, err
	}
	if _, err := repository.Parse(files); err != nil {
		return api.PlanRequest{}, fmt.Errorf("%s:\n%w", directory, err)
	}
	return api.PlanRequest{Workspace: c.workspace, Files: files}, nil
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
