package main

import (
	"bytes"
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
	"github.com/tilery/tilery/pkg/window"
)

// previewRows are printed of a result that is not kept.
const previewRows = 10

type historicalFlags struct {
	spine, entities, start, end, out, timestampKey, saveAs string

	service, fromSource, save bool
}

func (c *cli) historicalCommand() *cobra.Command {
	var f historicalFlags
	command := &cobra.Command{
		Use:   "historical VIEW [--spine FILE]",
		Short: "Add the features of the past to a file of entities and times",
		Long: "Add to each row of FILE, the spine, the features of VIEW that were known at the row's time, or with --service\n" +
			"those of the feature service of that name. The spine has the columns of the join keys, one of times, and any\n" +
			"others, labels for instance, which are kept. Times without a zone are UTC.\n\n" +
			"Without a spine, the events of VIEW: a row for each one that it stores, or for each end of its batch schedule at\n" +
			"which an entity has new data, with its features and when they are known.\n\n" +
			"Files are Parquet, CSV, newline JSON or Arrow, by their extension: .parquet, .csv, .ndjson, .arrow.",
		Example: "  tilery historical airport_delays --spine flights.csv --timestamp-key date --out training.parquet\n" +
			"  tilery historical fraud --service --spine purchases.parquet\n" +
			"  tilery historical airport_delays --start 2001-01-20 --end 2001-01-21 --out events.parquet",
		Args: exactArgs("VIEW"),
		RunE: func(cmd *cobra.Command, args []string) error {
			request, file, err := f.request(c.workspace, args[0])
			if err != nil {
				return err
			}
			format, err := c.historicalFormat(f.out)
			if err != nil {
				return err
			}
			result, err := c.askHistorical(cmd.Context(), request, file, format)
			if err != nil {
				return err
			}
			return c.giveHistorical(result, f.out)
		},
	}
	flags := command.Flags()
	flags.StringVar(&f.spine, "spine", "", "file of entities and times")
	flags.StringVar(&f.timestampKey, "timestamp-key", "", "column of the times; not needed if the spine has only one")
	flags.StringVar(&f.entities, "entities", "", "without a spine: file of the join keys of those whose events are wanted; default all")
	flags.StringVar(&f.start, "start", "", "without a spine: start of the events, UTC; default feature_start_time")
	flags.StringVar(&f.end, "end", "", "without a spine: end of the events, UTC, exclusive; by default there is none")
	outFlag(command, &f.out)
	flags.BoolVar(&f.service, "service", false, "VIEW is a feature service")
	flags.BoolVar(&f.save, "save", false, "keep the result as a dataset, whose name is made up")
	flags.StringVar(&f.saveAs, "save-as", "", "keep the result as the dataset of that name, see tilery datasets")
	flags.BoolVar(&f.fromSource, "from-source", false, "compute from raw data, whatever is materialized")
	return command
}

// request returns what to ask for, and the file to send; empty: none.
func (f historicalFlags) request(workspace, name string) (r client.HistoricalRequest, file string, err error) {
	if err := f.check(); err != nil {
		return r, "", usageError{err}
	}
	r = client.HistoricalRequest{
		Workspace: workspace, View: name, TimestampKey: f.timestampKey, FromSource: f.fromSource, Save: f.save, SaveAs: f.saveAs,
		Entities: f.entities != "",
	}
	if f.service {
		r.View, r.Service = "", name
	}
	if r.Start, err = parseBound("start", f.start); err != nil {
		return r, "", err
	}
	if r.End, err = parseBound("end", f.end); err != nil {
		return r, "", err
	}
	r.SpineFormat, err = formatOfFlag("spine", f.spine)
	if f.entities != "" {
		r.SpineFormat, err = formatOfFlag("entities", f.entities)
	}
	return r, f.spine + f.entities, err
}

// check refuses flags that do not go together.
func (f historicalFlags) check() error {
	without := ""
	for _, flag := range []struct {
		name       string
		set, spine bool // spine: it wants one
	}{
		{"--entities", f.entities != "", false}, {"--start", f.start != "", false}, {"--end", f.end != "", false},
		{"--timestamp-key", f.timestampKey != "", true}, {"--service", f.service, true},
	} {
		switch {
		case flag.set && flag.spine && f.spine == "":
			return fmt.Errorf("%s is given without --spine FILE", flag.name)
		case flag.set && !flag.spine:
			without = flag.name
		}
	}
	if f.spine != "" && without != "" {
		return fmt.Errorf("--spine and %s are given, want one of them", without)
	}
	return nil
}

// parseBound returns nil for a flag that is not given.
func parseBound(flag, text string) (*window.Time, error) {
	if text == "" {
		return nil, nil
	}
	at, err := window.Parse(text)
	if err != nil {
		return nil, usageError{fmt.Errorf("--%s: %w", flag, err)}
	}
	return &at, nil
}

// formatOfFlag returns the format of the file that a flag names, if it names one.
func formatOfFlag(flag, path string) (frame.Format, error) {
	if path == "" {
		return "", nil
	}
	format, err := frame.FormatOf(path)
	if err != nil {
		return "", usageError{fmt.Errorf("--%s: %w", flag, err)}
	}
	return format, nil
}

// giveHistorical keeps or prints a result, and says what its rows do not.
func (c *cli) giveHistorical(file *client.HistoricalFile, out string) error {
	c.warnUncovered(file.Report.Uncovered)
	if name := file.Report.Dataset; name != "" {
		fmt.Fprintf(c.errOut, "saved as dataset %s, see tilery datasets describe %s\n", name, name)
	}
	return c.giveFile(file, out)
}

// giveFile keeps or prints rows.
func (c *cli) giveFile(file *client.HistoricalFile, out string) error {
	defer file.Close()
	switch {
	case out != "":
		return c.keepHistorical(file, out)
	case c.output == "json":
		_, err := io.Copy(c.out, file)
		return err
	}
	return c.showHistorical(file)
}

// outFlag adds the flag of the file that giveFile keeps.
func outFlag(command *cobra.Command, out *string) {
	command.Flags().StringVar(out, "out", "", "file to write the result to; without it the first rows are printed, or with -o json all")
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

// askHistorical sends a file, if there is one, and shows how that goes.
func (c *cli) askHistorical(ctx context.Context, request client.HistoricalRequest, path string, format frame.Format) (*client.HistoricalFile, error) {
	sending, err := c.send(path)
	if err != nil {
		return nil, err
	}
	defer sending.close()
	request.Spine = sending
	return c.client().HistoricalFile(ctx, request, format)
}

// sentFile is a file on its way, or none.
type sentFile struct {
	io.Reader
	close func()
}

func (c *cli) send(path string) (sentFile, error) {
	if path == "" {
		return sentFile{bytes.NewReader(nil), func() {}}, nil
	}
	file, err := os.Open(path)
	if err != nil {
		return sentFile{}, fmt.Errorf("open the file to send: %w", err)
	}
	info, err := file.Stat()
	if err != nil {
		file.Close()
		return sentFile{}, fmt.Errorf("size of the file to send: %w", err)
	}
	sending := newSending(file, info.Size(), "waiting for the features", newProgressBar(c.errOut))
	return sentFile{sending, func() {
		sending.done()
		file.Close()
	}}, nil
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
