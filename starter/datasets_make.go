package main

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"github.com/tilery/tilery/pkg/api"
	"github.com/tilery/tilery/pkg/client"
	"github.com/tilery/tilery/pkg/frame"
	"github.com/tilery/tilery/workflows"
)

func (c *cli) makeDatasetCommand() *cobra.Command {
	request := client.HistoricalRequest{}
	spine, service, detach := "", false, false
	command := &cobra.Command{
		Use:   "make VIEW --spine FILE",
		Short: "Have a job make a dataset of historical features",
		Long: "Do what tilery historical --save does by a job, for results that take long: it runs on when this command is\n" +
			"interrupted or the worker is started again. tilery job cancel JOB ends it without a dataset.",
		Example: "  tilery datasets make airport_delays --spine flights.parquet --timestamp-key date --name training",
		Args:    exactArgs("VIEW"),
		RunE: func(cmd *cobra.Command, args []string) error {
			request.Workspace = c.workspace
			if service {
				request.Service = args[0]
			} else {
				request.View = args[0]
			}
			return c.makeDataset(cmd.Context(), request, spine, detach)
		},
	}
	flags := command.Flags()
	flags.StringVar(&spine, "spine", "", "file of entities and times")
	flags.StringVar(&request.TimestampKey, "timestamp-key", "", "column of the times; not needed if the spine has only one")
	flags.StringVar(&request.SaveAs, "name", "", "of the dataset; made up if it is not given")
	flags.BoolVar(&service, "service", false, "VIEW is a feature service")
	flags.BoolVar(&detach, "detach", false, "start the job and do not wait for it")
	return command
}

func (c *cli) makeDataset(ctx context.Context, request client.HistoricalRequest, path string, detach bool) error {
	started, err := c.startDataset(ctx, request, path)
	if err != nil {
		return err
	}
	if detach {
		if c.output == "json" {
			return printJSON(c.out, started)
		}
		_, err = fmt.Fprintf(c.out, "Started %s, which makes dataset %s\n", started.Job, started.Dataset)
		return err
	}
	fmt.Fprintf(c.errOut, "%s makes dataset %s\n", started.Job, started.Dataset)
	t, err := c.dial(ctx)
	if err != nil {
		return err
	}
	defer t.Close()
	var result workflows.RetrieveResult
	err = t.GetWorkflow(ctx, started.Job, "").Get(ctx, &result)
	if ctx.Err() != nil {
		return fmt.Errorf("interrupted; %s runs on", started.Job)
	}
	if err != nil {
		return fmt.Errorf("make dataset %s: %s", started.Dataset, reason(err))
	}
	if c.output == "json" {
		return printJSON(c.out, result)
	}
	if result.Uncovered {
		fmt.Fprintf(c.errOut, "warning: not all time that was needed is materialized; tilery datasets describe %s lists what is not\n", result.Dataset)
	}
	_, err = fmt.Fprintf(c.out, "Made dataset %s with %d rows\n", result.Dataset, result.Rows)
	return err
}

func (c *cli) startDataset(ctx context.Context, request client.HistoricalRequest, path string) (api.StartDatasetResponse, error) {
	none := api.StartDatasetResponse{}
	if path == "" {
		return none, usageError{errors.New("--spine FILE is required")}
	}
	var err error
	if request.SpineFormat, err = frame.FormatOf(path); err != nil {
		return none, usageError{fmt.Errorf("--spine: %w", err)}
	}
	spine, err := os.Open(path)
	if err != nil {
		return none, fmt.Errorf("open the spine: %w", err)
	}
	defer spine.Close()
	request.Spine = spine
	return c.client().StartDataset(ctx, request)
}
