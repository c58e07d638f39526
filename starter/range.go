package main

import (
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/tilery/tilery/pkg/client"
	"github.com/tilery/tilery/pkg/feature"
)

type rangeFlags struct {
	start, end, entities, maxLookback, out string

	fromSource bool
}

func (c *cli) rangeCommand() *cobra.Command {
	var f rangeFlags
	command := &cobra.Command{
		Use:   "range VIEW --start TIME --end TIME",
		Short: "Show how the features of a view were in a range of time",
		Long: "Show how the features of VIEW were from a time until before another, of all entities or of those in a file: a\n" +
			"row for each change, with the times from which on and until before which it was so. What an instant between\n" +
			"them gets is what tilery historical gives it.\n\n" +
			"Files are Parquet, CSV, newline JSON or Arrow, by their extension: .parquet, .csv, .ndjson, .arrow.",
		Example: "  tilery range airport_delays --start 2001-01-20 --end 2001-01-22 --entities airports.csv --out changes.parquet",
		Args:    exactArgs("VIEW"),
		RunE: func(cmd *cobra.Command, args []string) error {
			request, err := f.request(c.workspace, args[0])
			if err != nil {
				return err
			}
			format, err := c.historicalFormat(f.out)
			if err != nil {
				return err
			}
			sending, err := c.send(f.entities)
			if err != nil {
				return err
			}
			defer sending.close()
			request.Entities = sending
			file, err := c.client().RangeFile(cmd.Context(), request, format)
			if err != nil {
				return err
			}
			return c.giveHistorical(file, f.out)
		},
	}
	flags := command.Flags()
	flags.StringVar(&f.start, "start", "", "start of the range, UTC")
	flags.StringVar(&f.end, "end", "", "end of the range, UTC, exclusive")
	flags.StringVar(&f.entities, "entities", "", "file of the join keys of those whose features are wanted; default all")
	flags.StringVar(&f.maxLookback, "max-lookback", "", "leave out what came longer before the start, for instance 30d")
	outFlag(command, &f.out)
	flags.BoolVar(&f.fromSource, "from-source", false, "compute from raw data, whatever is materialized")
	return command
}

func (f rangeFlags) request(workspace, view string) (client.RangeRequest, error) {
	r := client.RangeRequest{Workspace: workspace, View: view, FromSource: f.fromSource}
	start, err := parseBound("start", f.start)
	if err != nil {
		return r, err
	}
	end, err := parseBound("end", f.end)
	if err != nil {
		return r, err
	}
	if start == nil || end == nil {
		return r, usageError{errors.New("--start TIME and --end TIME are required")}
	}
	r.Start, r.End = *start, *end
	if f.maxLookback != "" {
		var lookback feature.Duration
		if err := lookback.UnmarshalText([]byte(f.maxLookback)); err != nil {
			return r, usageError{fmt.Errorf("--max-lookback: %w", err)}
		}
		r.MaxLookback = time.Duration(lookback)
	}
	r.EntitiesFormat, err = formatOfFlag("entities", f.entities)
	return r, err
}
