package main

import (
	"fmt"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/tilery/tilery/pkg/api"
)

func (c *cli) workspaceCommand() *cobra.Command {
	command := &cobra.Command{
		Use:   "workspace",
		Short: "Create, list and show workspaces",
		Long: "A live workspace materializes its features. In a development workspace definitions are planned, applied and\n" +
			"described, and nothing is ever materialized. prod is live; any other is live only if it was created so\n" +
			"before its first apply.",
		Args: exactArgs(),
		RunE: func(command *cobra.Command, _ []string) error { return command.Help() },
	}
	live := false
	create := &cobra.Command{
		Use:     "create NAME",
		Short:   "Create a workspace, for development unless it is --live",
		Example: "  tilery workspace create staging --live",
		Args:    exactArgs("NAME"),
		RunE: func(cmd *cobra.Command, args []string) error {
			w, err := c.client().CreateWorkspace(cmd.Context(), api.WorkspaceRequest{Workspace: args[0], Live: live})
			if err != nil {
				return err
			}
			return c.printWorkspace(w)
		},
	}
	create.Flags().BoolVar(&live, "live", false, "it materializes its features; this cannot be changed later")
	command.AddCommand(create,
		&cobra.Command{
			Use:   "list",
			Short: "List all workspaces",
			Args:  exactArgs(),
			RunE: func(cmd *cobra.Command, _ []string) error {
				list, err := c.client().Workspaces(cmd.Context())
				if err != nil {
					return err
				}
				if c.output == "json" {
					return printJSON(c.out, list.Workspaces)
				}
				rows := make([][]string, len(list.Workspaces))
				for i, w := range list.Workspaces {
					rows[i] = []string{w.Name, workspaceKind(w.Live)}
				}
				return printTable(c.out, []string{"WORKSPACE", "KIND"}, rows)
			},
		},
		&cobra.Command{
			Use:   "show [NAME]",
			Short: "Show a workspace, by default the one that is chosen",
			Args:  maxArgs("NAME"),
			RunE: func(cmd *cobra.Command, args []string) error {
				name := c.workspace
				if len(args) == 1 {
					name = args[0]
				}
				w, err := c.client().Workspace(cmd.Context(), name)
				if err != nil {
					return err
				}
				return c.printWorkspace(w)
			},
		},
	)
	return command
}

func workspaceKind(live bool) string {
	if live {
		return "live"
	}
	return "development"
}

func (c *cli) printWorkspace(w api.WorkspaceResponse) error {
	if c.output == "json" {
		return printJSON(c.out, w)
	}
	applied := "never"
	if w.Generation > 0 {
		applied = w.AppliedAt.String()
	}
	return printTable(c.out, []string{"WORKSPACE", "KIND", "GENERATION", "APPLIED (UTC)", "OBJECTS"}, [][]string{
		{w.Name, workspaceKind(w.Live), strconv.FormatInt(w.Generation, 10), applied, fmt.Sprint(w.Objects)},
	})
}
