package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"github.com/tilery/tilery/pkg/api"
	"github.com/tilery/tilery/pkg/client"
	"github.com/tilery/tilery/pkg/frame"
)

func (c *cli) ingestCommand() *cobra.Command {
	named, detach := "", false
	command := &cobra.Command{
		Use:   "ingest TABLE FILE|-",
		Short: "Write the rows of a file into a feature table",
		Long: "Send FILE, or with - what is read from standard input, and have a job write its rows into TABLE: all of them or,\n" +
			"if one cannot be stored, none. The file has a column for each of the table's; others are left out. Times without\n" +
			"a zone are UTC. Of rows with the same join keys and timestamp the one that was ingested last counts.\n\n" +
			"Files are Parquet, CSV, newline JSON or Arrow, by their extension: .parquet, .csv, .ndjson, .arrow.\n" +
			"The job runs on when this command is interrupted.",
		Example: "  tilery ingest user_scores scores.parquet\n  zcat scores.csv.gz | tilery ingest user_scores - --format csv",
		Args:    exactArgs("TABLE", "FILE|-"),
		RunE: func(cmd *cobra.Command, args []string) error {
			format, err := ingestFormat(args[1], named)
			if err != nil {
				return usageError{err}
			}
			return c.ingest(cmd.Context(), args[0], args[1], format, detach)
		},
	}
	command.Flags().StringVar(&named, "format", "", "parquet, csv, ndjson or arrow; default: what the extension of FILE says")
	command.Flags().BoolVar(&detach, "detach", false, "start the job and do not wait for it")
	return command
}

func ingestFormat(path, named string) (frame.Format, error) {
	switch {
	case named != "":
		format, err := frame.ParseFormat(named)
		if err != nil {
			return "", fmt.Errorf("--format: %w", err)
		}
		return format, nil
	case path == "-":
		return "", errors.New("--format is required for what is read from standard input")
	}
	return frame.FormatOf(path)
}

func (c *cli) ingest(ctx context.Context, table, path string, format frame.Format, detach bool) error {
	file, size, err := c.openFrame(path)
	if err != nil {
		return err
	}
	defer file.Close()
	shown := newSending(file, size, "waiting for the job", newProgressBar(c.errOut))
	job, err := c.client().Ingest(ctx, c.workspace, table, shown, format)
	if err == nil && !detach {
		return c.endIngest(ctx, table, job, shown.done)
	}
	shown.done()
	if err != nil {
		return err
	}
	return c.printIngest(job)
}

// endIngest waits for a job, calls done, and tells how it ended.
func (c *cli) endIngest(ctx context.Context, table, job string, done func()) error {
	ended, err := c.client().WaitForJob(ctx, api.GetJobRequest{Workspace: c.workspace, FeatureView: table, JobID: job})
	done()
	var failed *client.JobError
	switch {
	case ctx.Err() != nil:
		return fmt.Errorf("interrupted; job %s runs on, see tilery materialization-status %s", job, table)
	case errors.As(err, &failed):
		return fmt.Errorf("ingest: %s (job %s)", failed.Job.Message, job)
	case err != nil:
		return err
	case c.output == "json":
		return printJSON(c.out, ended)
	}
	_, err = fmt.Fprintf(c.out, "Ingested into %s: %s (job %s)\n", table, ended.Message, job)
	return err
}

// ingestAgain starts an ingest that has ended without success once more, with the frame
// that is still staged.
func (c *cli) ingestAgain(ctx context.Context, failed api.Job, detach bool) error {
	request := api.IngestRequest{Workspace: failed.Workspace, FeatureView: failed.FeatureView, Path: failed.IngestPath}
	started, err := c.client().IngestDataFrame(ctx, request)
	if err != nil {
		return err
	}
	if detach {
		return c.printIngest(started.Job.ID)
	}
	return c.endIngest(ctx, failed.FeatureView, started.Job.ID, func() {})
}

func (c *cli) printIngest(job string) error {
	if c.output == "json" {
		return printJSON(c.out, map[string]string{"job_id": job})
	}
	_, err := fmt.Fprintf(c.out, "Started job %s\n", job)
	return err
}

// openFrame returns a file and its size, which is -1 of standard input.
func (c *cli) openFrame(path string) (io.ReadCloser, int64, error) {
	if path == "-" {
		return io.NopCloser(c.in), -1, nil
	}
	file, err := os.Open(path)
	if err != nil {
		return nil, 0, fmt.Errorf("open the frame: %w", err)
	}
	info, err := file.Stat()
	if err != nil {
		file.Close()
		return nil, 0, fmt.Errorf("size of the frame: %w", err)
	}
	return file, info.Size(), nil
}
