package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/spf13/cobra"

	"github.com/tilery/tilery/pkg/api"
	"github.com/tilery/tilery/pkg/client"
	"github.com/tilery/tilery/pkg/frame"
)

// previewRows are printed of a result that is not kept.
const previewRows = 10

func (c *cli) historicalCommand() *cobra.Command {
	spine, out, timestampKey, service, fromSource := "", "", "", false, false
	save, saveAs := false, ""
	command := &cobra.Command{
		Use:   "historical VIEW --spine FILE",
		Short: "Add the features of the past to a file of entities and times",
		Long: "Add to each row of FILE, the spine, the features of VIEW that were known at the row's time, or with --service\n" +
			"those of the feature service of that name. The spine has the columns of the join keys, one of times, and any\n" +
			"others, labels for instance, which are kept. Times without a zone are UTC.\n\n" +
			"Files are Parquet, CSV, newline JSON or Arrow, by their extension: .parquet, .csv, .ndjson, .arrow.",
		Example: "  tilery historical airport_delays --spine flights.csv --timestamp-key date --out training.parquet\n" +
			"  tilery historical fraud --service --spine purchases.parquet",
		Args: exactArgs("VIEW"),
		RunE: func(cmd *cobra.Command, args []string) error {
			request := client.HistoricalRequest{Workspace: c.workspace, View: args[0], TimestampKey: timestampKey, FromSource: fromSource, Save: save, SaveAs: saveAs}
			if service {
				request.View, request.Service = "", args[0]
			}
			if spine == "" {
				return usageError{errors.New("--spine FILE is required")}
			}
			var err error
			if request.SpineFormat, err = frame.FormatOf(spine); err != nil {
				return usageError{fmt.Errorf("--spine: %w", err)}
			}
			format, err := c.historicalFormat(out)
			if err != nil {
				return err
			}
			file, err := c.askHistorical(cmd.Context(), request, spine, format)
			if err != nil {
				return err
			}
			defer file.Close()
			c.warnUncovered(file.Report.Uncovered)
			c.tellSaved(file.Report.Dataset)
			switch {
			case out != "":
				return c.keepHistorical(file, out)
			case c.output == "json":
				_, err = io.Copy(c.out, file)
				return err
			}
			return c.showHistorical(file)
		},
	}
	flags := command.Flags()
	flags.StringVar(&spine, "spine", "", "file of entities and times")
	flags.StringVar(&timestampKey, "timestamp-key", "", "column of the times; not needed if the spine has only one")
	flags.StringVar(&out, "out", "", "file to write the result to; without it the first rows are printed, or with -o json all")
	flags.BoolVar(&service, "service", false, "VIEW is a feature service")
	flags.BoolVar(&save, "save", false, "keep the result as a dataset, whose name is made up")
	flags.StringVar(&saveAs, "save-as", "", "keep the result as the dataset of that name, see tilery datasets")
	flags.BoolVar(&fromSource, "from-source", false, "compute from raw data, whatever is materialized")
	return command
}

// tellSaved says what a result was saved as.
func (c *cli) tellSaved(name string) {
	if name != "" {
		fmt.Fprintf(c.errOut, "saved as dataset %s, see tilery datasets describe %s\n", name, name)
	}
}

// historicalFormat is the one to ask for: that of the file to keep, else one to print.
func (c *cli) historicalFormat(out string) (frame.Format, error) {
	switch {
	case out == "" && c.output == "json":
		return frame.JSON, nil
	case out == "":
		return frame.Arrow, nil
	}
	format, err := frame.FormatOf(out)
	if err != nil {
		return "", usageError{fmt.Errorf("--out: %w", err)}
	}
	return format, nil
}

// askHistorical sends the spine and shows how that goes.
func (c *cli) askHistorical(ctx context.Context, request client.HistoricalRequest, path string, format frame.Format) (*client.HistoricalFile, error) {
	spine, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("open the spine: %w", err)
	}
	defer spine.Close()
	info, err := spine.Stat()
	if err != nil {
		return nil, fmt.Errorf("size of the spine: %w", err)
	}
	sending := newSending(spine, info.Size(), newProgressBar(c.errOut))
	defer sending.done()
	request.Spine = sending
	return c.client().HistoricalFile(ctx, request, format)
}

// warnUncovered says where features are null because nothing was materialized.
func (c *cli) warnUncovered(uncovered []api.Uncovered) {
	for _, u := range uncovered {
		var texts []string
		for _, interval := range u.Intervals {
			texts = append(texts, fmt.Sprintf("%v to %v", interval.Start, interval.End))
		}
		if u.More > 0 {
			texts = append(texts, fmt.Sprintf("%d more", u.More))
		}
		fmt.Fprintf(c.errOut, "warning: %s is not materialized from %s; what needs that time is null or incomplete\n", u.View, strings.Join(texts, ", from "))
	}
}

// keepHistorical writes the result to path, where it appears when it is complete.
func (c *cli) keepHistorical(file *client.HistoricalFile, path string) (err error) {
	part, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".*")
	if err != nil {
		return fmt.Errorf("write the result: %w", err)
	}
	defer func() {
		if err != nil {
			_ = os.Remove(part.Name()) // it is of no use, and said so
		}
	}()
	_, err = io.Copy(part, file)
	if err = errors.Join(err, part.Chmod(0o644), part.Close()); err == nil {
		err = os.Rename(part.Name(), path)
	}
	if err != nil {
		return fmt.Errorf("write the result: %w", err)
	}
	if c.output == "json" {
		return printJSON(c.out, struct {
			client.HistoricalReport
			Out   string `json:"out"`
			Bytes int64  `json:"bytes"`
		}{file.Report, path, file.Size})
	}
	_, err = fmt.Fprintf(c.out, "%d rows in %s\n", file.Report.Rows, path)
	return err
}

// showHistorical prints the first rows of an Arrow stream.
func (c *cli) showHistorical(file *client.HistoricalFile) error {
	rows, err := client.NewFrame(file)
	if err != nil {
		return err
	}
	defer func() { _ = rows.Close() }() // it was only read
	var cells [][]string
	for len(cells) < previewRows {
		rec, err := rows.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return err
		}
		for i := range min(int(rec.NumRows()), previewRows-len(cells)) {
			cells = append(cells, recordRow(rec, i))
		}
	}
	var header []string
	for _, field := range rows.Schema().Fields() {
		header = append(header, field.Name)
	}
	if err := printTable(c.out, header, cells); err != nil {
		return err
	}
	what := strconv.FormatInt(rows.Report.Rows, 10) + " rows"
	if rows.Report.Rows > int64(len(cells)) {
		what += fmt.Sprintf(", of which these are the first %d; --out FILE keeps all", len(cells))
	}
	_, err = fmt.Fprintln(c.out, what)
	return err
}

func recordRow(rec arrow.Record, row int) []string {
	texts := make([]string, rec.NumCols())
	for i, column := range rec.Columns() {
		texts[i] = "null"
		if column.IsValid(row) {
			texts[i] = column.ValueStr(row)
		}
	}
	return texts
}
