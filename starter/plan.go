package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/tilery/tilery/pkg/api"
	"github.com/tilery/tilery/pkg/feature/repository"
)

func (c *cli) planCommand() *cobra.Command {
	out := ""
	command := &cobra.Command{
		Use:   "plan [DIRECTORY]",
		Short: "Show what applying a feature repository would change, and what that costs",
		Long: "Show what applying the feature repository in DIRECTORY (default: the current one) would change, and what it\n" +
			"takes to materialize that. Everything is validated, the SQL included; nothing is written on the server.\n" +
			"With --out the plan is saved, for tilery apply to carry out exactly that or nothing.",
		Example: "  tilery plan examples/flights\n  tilery plan examples/flights --out flights.plan && tilery apply flights.plan",
		Args:    maxArgs("DIRECTORY"),
		RunE: func(cmd *cobra.Command, args []string) error {
			directory := "."
			if len(args) == 1 {
				directory = args[0]
			}
			p, err := c.plan(cmd.Context(), directory)
			if err != nil {
				return err
			}
			if out != "" {
				if err := p.save(out); err != nil {
					return err
				}
			}
			if c.output == "json" {
				return printJSON(c.out, p.json())
			}
			printPlan(c.out, p.response, p.id)
			return nil
		},
	}
	command.Flags().StringVar(&out, "out", "", "save the plan in this file, for tilery apply")
	return command
}

// planned is a plan with what it was made of.
type planned struct {
	directory string
	request   api.PlanRequest
	response  api.PlanResponse
	id        string
}

// planOutput is a plan as JSON.
type planOutput struct {
	PlanID string `json:"plan_id"`
	api.PlanResponse
}

func (p planned) json() planOutput { return planOutput{p.id, p.response} }

// plan reads the files, checks their form, so that most mistakes are reported
// without a server, and asks the server for the rest.
func (c *cli) plan(ctx context.Context, directory string) (planned, error) {
	files, err := repository.Read(directory)
	if err != nil {
		return planned{}, err
	}
	return c.planFiles(ctx, directory, files)
}

func (c *cli) planFiles(ctx context.Context, directory string, files []repository.File) (planned, error) {
	p := planned{directory: directory, request: api.PlanRequest{Workspace: c.workspace, Files: files}}
	if _, err := repository.Parse(files); err != nil {
		return p, fmt.Errorf("%s cannot be used:\n%w", directory, err)
	}
	var err error
	p.response, err = c.client().Plan(ctx, p.request)
	var answer *api.Error
	if errors.As(err, &answer) && answer.Code == api.InvalidArgument {
		err = fmt.Errorf("%s cannot be used:\n%w", directory, err)
	}
	if err != nil {
		return p, err
	}
	p.id, err = planID(files, p.response.Plan)
	return p, err
}
