package main

import (
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/tilery/tilery/pkg/client"
	"github.com/tilery/tilery/pkg/frame"
)

type runFlags struct {
	start, end, level, out string
	mocks                  []string
}

func (c *cli) runCommand() *cobra.Command {
	var f runFlags
	command := &cobra.Command{
		Use:   "run VIEW",
		Short: "Compute a view over a range of time, without storing anything",
		Long: "Compute what VIEW makes of a range of its sources, or of files in place of them, and store nothing. Without a\n" +
			"range it is the newest window whose data is complete.\n\n" +
			"A view with aggregations is computed up to a level: disabled, which is what its SQL returns, partial, which is\n" +
			"tiles that end with the range, or full, which is features at the end of each tile.\n\n" +
			"Files are Parquet, CSV, newline JSON or Arrow, by their extension: .parquet, .csv, .ndjson, .arrow.",
		Example: "  tilery run airport_delays --start 2001-01-20 --end 2001-01-21\n" +
			"  tilery run airport_delays --start 2001-01-20 --mock flights=few.csv --aggregation-level partial --out tiles.csv",
		Args: exactArgs("VIEW"),
		RunE: func(cmd *cobra.Command, args []string) (err error) {
			format, err := c.historicalFormat(f.out)
			if err != nil {
				return err
			}
			request, files, err := f.request(c.workspace, args[0])
			defer func() {
				for _, file := range files {
					err = errors.Join(err, file.Close())
				}
			}()
			if err != nil {
				return err
			}
			result, err := c.client().RunFile(cmd.Context(), request, format)
			if err != nil {
				return err
			}
			for _, warning := range result.Report.Warnings {
				fmt.Fprintln(c.errOut, "warning:", warning)
			}
			return c.giveFile(result, f.out)
		},
	}
	flags := command.Flags()
	flags.StringVar(&f.start, "start", "", "start of the range, UTC; default a batch_schedule before its end")
	flags.StringVar(&f.end, "end", "", "end of the range, UTC, exclusive; default a batch_schedule after its start")
	flags.StringVar(&f.level, "aggregation-level", "", "disabled, partial or full (default full, if the view has aggregations)")
	flags.StringArrayVar(&f.mocks, "mock", nil, "file in place of a source, as SOURCE=FILE; repeat for several")
	outFlag(command, &f.out)
	return command
}

// request opens the mocks, which the caller closes.
func (f runFlags) request(workspace, view string) (r client.RunRequest, files []*os.File, err error) {
	r.Workspace, r.View, r.AggregationLevel = workspace, view, f.level
	if r.StartTime, err = parseBound("start", f.start); err != nil {
		return r, nil, err
	}
	if r.EndTime, err = parseBound("end", f.end); err != nil {
		return r, nil, err
	}
	r.Mocks = map[string]client.Mock{}
	for _, mock := range f.mocks {
		source, path, ok := strings.Cut(mock, "=")
		_, again := r.Mocks[source]
		switch {
		case !ok || source == "" || path == "":
			return r, files, usageError{fmt.Errorf("--mock %s: want SOURCE=FILE", mock)}
		case again:
			return r, files, usageError{fmt.Errorf("--mock %s: %s is given twice", mock, source)}
		}
		format, err := frame.FormatOf(path)
		if err != nil {
			return r, files, usageError{fmt.Errorf("--mock: %w", err)}
		}
		file, err := os.Open(path)
		if err != nil {
			return r, files, fmt.Errorf("open the mock of %s: %w", source, err)
		}
		files = append(files, file)
		r.Mocks[source] = client.Mock{File: file, Format: format}
	}
	return r, files, nil
}
