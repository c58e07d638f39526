package main

import (
	"cmp"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/tilery/tilery/pkg/api"
)

func (c *cli) deletionCommand() *cobra.Command {
	command := &cobra.Command{
		Use: "deletion", Short: "Show what was deleted, and let forgotten keys through again", Args: exactArgs(),
		RunE: func(command *cobra.Command, _ []string) error { return command.Help() },
	}
	command.AddCommand(c.receiptCommand(), c.liftCommand())
	return command
}

func (c *cli) receiptCommand() *cobra.Command {
	return &cobra.Command{
		Use: "receipt VIEW JOB", Short: "Show what a job has deleted, and until when old files may hold it",
		Example: "  tilery deletion receipt spending 0123456789abcdef0123456789abcdef", Args: exactArgs("VIEW", "JOB"),
		RunE: func(cmd *cobra.Command, args []string) error {
			receipt, err := c.client().DeletionReceipt(cmd.Context(), c.workspace, args[0], args[1])
			if err != nil {
				return err
			}
			if c.output == "json" {
				return printJSON(c.out, receipt)
			}
			return printProperties(c.out, "Deletion", receipt)
		},
	}
}

func (c *cli) liftCommand() *cobra.Command {
	restore := true
	command := &cobra.Command{
		Use: "lift VIEW JOB", Short: "Let rows through again that --forget-until of a deletion holds back",
		Long: "Let rows of the keys through again that --forget-until of a deletion holds back, and start a job that materializes\n" +
			"again what was held back. Of a feature table, it has to be ingested again.",
		Example: "  tilery deletion lift spending 0123456789abcdef0123456789abcdef --restore=false", Args: exactArgs("VIEW", "JOB"),
		RunE: func(cmd *cobra.Command, args []string) error {
			lifted, err := c.client().LiftDeletion(cmd.Context(), api.LiftDeletionRequest{
				Workspace: c.workspace, FeatureView: args[0], JobID: args[1], Restore: &restore,
			})
			if err != nil {
				return err
			}
			if c.output == "json" {
				return printJSON(c.out, lifted)
			}
			_, err = fmt.Fprintf(c.out, "Rows of %d keys before %v are let through again. Materialized again by: %s\n",
				lifted.Keys, lifted.Until, cmp.Or(lifted.Job, "no job"))
			return err
		},
	}
	command.Flags().BoolVar(&restore, "restore", true, "materialize again what was held back")
	return command
}
