package main

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/tilery/tilery/pkg/api"
)

func (c *cli) datasetsCommand() *cobra.Command {
	command := &cobra.Command{
		Use:   "datasets",
		Short: "Make, list, describe, read, remake and delete saved results",
		Long: "Saved results of tilery historical, kept with --save or --save-as, or made by a job. Each is a Delta table in the bucket, with a\n" +
			"copy of its spine and the versions of all that it was made of.",
		Args: exactArgs(),
		RunE: func(command *cobra.Command, _ []string) error { return command.Help() },
	}
	command.AddCommand(c.makeDatasetCommand(), c.listDatasetsCommand(), c.readDatasetCommand(),
		c.datasetCommand("describe", "Show the properties of a dataset", c.describeDataset),
		c.datasetCommand("remake", "Make the rows again at the same versions, and compare them with the saved ones", c.remakeDataset),
		c.datasetCommand("delete", "Delete a dataset", c.deleteDataset),
	)
	return command
}

func (c *cli) datasetCommand(use, short string, run func(ctx context.Context, name string) error) *cobra.Command {
	return &cobra.Command{
		Use: use + " NAME", Short: short, Example: "  tilery datasets " + use + " training", Args: exactArgs("NAME"),
		RunE: func(cmd *cobra.Command, args []string) error { return run(cmd.Context(), args[0]) },
	}
}

func (c *cli) listDatasetsCommand() *cobra.Command {
	prefix, after, limit := "", "", 100
	command := &cobra.Command{
		Use: "list", Short: "List datasets, by their names", Example: "  tilery datasets list --prefix airport_", Args: exactArgs(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			page, err := c.client().ListDatasets(cmd.Context(), c.workspace, prefix, after, limit)
			if err != nil {
				return err
			}
			return c.printDatasets(page)
		},
	}
	flags := command.Flags()
	flags.StringVar(&prefix, "prefix", "", "how the names begin")
	flags.StringVar(&after, "after", "", "the last name of the page before")
	flags.IntVar(&limit, "limit", limit, "at most that many, up to 1000")
	return command
}

func (c *cli) printDatasets(page api.ListDatasetsResponse) error {
	if c.output == "json" {
		return printJSON(c.out, page)
	}
	rows := make([][]string, len(page.Datasets))
	for i, d := range page.Datasets {
		rows[i] = []string{d.Name, d.View + d.Service, strconv.FormatInt(d.Rows, 10), strconv.FormatInt(d.Bytes, 10), d.CreatedAt.Format(time.RFC3339)}
	}
	if err := printTable(c.out, []string{"NAME", "FEATURES OF", "ROWS", "BYTES", "CREATED"}, rows); err != nil {
		return err
	}
	if page.Next != "" {
		fmt.Fprintf(c.errOut, "there may be more: --after %s\n", page.Next)
	}
	return nil
}

func (c *cli) describeDataset(ctx context.Context, name string) error {
	d, err := c.client().Dataset(ctx, c.workspace, name)
	if err != nil {
		return err
	}
	if c.output == "json" {
		return printJSON(c.out, d)
	}
	return printProperties(c.out, "Dataset", d)
}

func (c *cli) readDatasetCommand() *cobra.Command {
	out := ""
	command := &cobra.Command{
		Use: "read NAME", Short: "Print the first rows of a dataset, or write all to a file",
		Example: "  tilery datasets read training\n  tilery datasets read training --out training.csv", Args: exactArgs("NAME"),
		RunE: func(cmd *cobra.Command, args []string) error {
			format, err := c.historicalFormat(out)
			if err != nil {
				return err
			}
			file, err := c.client().DatasetFile(cmd.Context(), c.workspace, args[0], format)
			if err != nil {
				return err
			}
			c.warnUncovered(file.Report.Uncovered)
			return c.giveFile(file, out)
		},
	}
	command.Flags().StringVar(&out, "out", "", "file to write the rows to; without it the first are printed, or with -o json all")
	return command
}

func (c *cli) remakeDataset(ctx context.Context, name string) error {
	r, err := c.client().RemakeDataset(ctx, c.workspace, name)
	if err != nil {
		return err
	}
	if c.output == "json" {
		return printJSON(c.out, r)
	}
	_, err = fmt.Fprintf(c.out, "%d rows were made again, the same as those saved: %s\n", r.Rows, r.Digest)
	return err
}

func (c *cli) deleteDataset(ctx context.Context, name string) error {
	d, err := c.client().DeleteDataset(ctx, c.workspace, name)
	if err != nil {
		return err
	}
	if c.output == "json" {
		return printJSON(c.out, d)
	}
	_, err = fmt.Fprintf(c.out, "Deleted dataset %s with %d rows\n", d.Name, d.Rows)
	return err
}
