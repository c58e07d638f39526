package main

import (
	"bytes"
	"context"
	"encoding/csv"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/tilery/tilery/pkg/api"
	"github.com/tilery/tilery/pkg/client"
	"github.com/tilery/tilery/pkg/frame"
	"github.com/tilery/tilery/pkg/window"
	"github.com/tilery/tilery/workflows"
)

type deleteFlags struct {
	keys            []string
	online, offline bool
	forgetUntil     string
	datasets        bool
	wait, yes       bool
}

func (c *cli) deleteKeysCommand() *cobra.Command {
	var f deleteFlags
	command := &cobra.Command{
		Use:   "delete-keys VIEW [FILE]",
		Short: "Delete the rows of keys from the stores of a view or a feature table",
		Long: "Delete all rows of some keys from the stores of VIEW: of those in FILE, which has a column for each join key and no\n" +
			"other, or of those given by --key. What is deleted is gone for good; the old files go with the maintenance after\n" +
			"they are old enough. What is ingested or materialized later may bring keys back, unless --forget-until is given.",
		Example: "  tilery delete-keys spending users.csv --wait\n  tilery delete-keys spending --key user_id=17 --key user_id=18 --forget-until now\n" +
			"  tilery delete-keys routes --key origin=ATL,dest=SFO",
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return exactArgs("VIEW")(cmd, args)
			}
			return maxArgs("VIEW", "FILE")(cmd, args)
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			request, source, err := f.request(c.workspace, args)
			if err != nil {
				return usageError{err}
			}
			return c.deleteKeys(cmd.Context(), request, source, f)
		},
	}
	flags := command.Flags()
	flags.StringArrayVarP(&f.keys, "key", "k", nil, "key as NAME=VALUE, or NAME=VALUE,NAME=VALUE if there are several join keys; repeat for more keys")
	flags.BoolVar(&f.online, "online", true, "delete from the online store")
	flags.BoolVar(&f.offline, "offline", true, "delete from the offline store")
	flags.StringVar(&f.forgetUntil, "forget-until", "", "hold rows before this time, or now, back for good; tilery deletion lift lets them through again")
	flags.BoolVar(&f.datasets, "datasets", false, "remove saved datasets that were made of the view and hold a key")
	flags.BoolVar(&f.wait, "wait", false, "wait until the job has ended")
	flags.BoolVarP(&f.yes, "yes", "y", false, "do not ask")
	return command
}

// request returns a request without its keys, and where these are.
func (f deleteFlags) request(workspace string, args []string) (client.DeleteKeysRequest, keySource, error) {
	request := client.DeleteKeysRequest{
		Workspace: workspace, FeatureView: args[0], SkipOnline: !f.online, SkipOffline: !f.offline, Datasets: f.datasets,
	}
	var source keySource
	var err error
	switch {
	case len(args) == 2 && len(f.keys) > 0:
		return request, source, errors.New("want FILE or --key, not both")
	case len(args) == 2:
		source.path = args[1]
		if request.Format, err = frame.FormatOf(args[1]); err != nil {
			return request, source, err
		}
	case len(f.keys) == 0:
		return request, source, errors.New("want FILE or --key NAME=VALUE")
	default:
		request.Format = frame.CSV
		if source.rows, err = keyRows(f.keys); err != nil {
			return request, source, err
		}
	}
	switch f.forgetUntil {
	case "":
	case api.ForgetNow:
		request.ForgetNow = true
	default:
		until, err := window.Parse(f.forgetUntil)
		if err != nil {
			return request, source, fmt.Errorf("--forget-until: %w; or now", err)
		}
		request.ForgetUntil = &until
	}
	return request, source, nil
}

// keySource is a file, or rows below a header.
type keySource struct {
	path string
	rows [][]string
}

func (k keySource) String() string {
	switch n := len(k.rows) - 1; {
	case k.path != "":
		return "the keys in " + k.path
	case n == 1:
		return "1 key"
	default:
		return fmt.Sprintf("%d keys", n)
	}
}

// keyRows returns the keys as rows, the header first.
func keyRows(keys []string) ([][]string, error) {
	rows := [][]string{nil}
	for _, key := range keys {
		names, values := []string{}, map[string]string{}
		for part := range strings.SplitSeq(key, ",") {
			name, value, ok := strings.Cut(part, "=")
			_, again := values[name]
			switch {
			case !ok || name == "":
				return nil, fmt.Errorf("--key %s: want NAME=VALUE, and a file for values with commas", key)
			case again:
				return nil, fmt.Errorf("--key %s: %s is given twice", key, name)
			}
			names, values[name] = append(names, name), value
		}
		slices.Sort(names)
		if rows[0] == nil {
			rows[0] = names
		}
		if !slices.Equal(rows[0], names) {
			return nil, fmt.Errorf("--key %s: want %s, as the first key has", key, strings.Join(rows[0], ", "))
		}
		row := make([]string, len(names))
		for i, name := range names {
			row[i] = values[name]
		}
		rows = append(rows, row)
	}
	return rows, nil
}

func (c *cli) deleteKeys(ctx context.Context, request client.DeleteKeysRequest, source keySource, f deleteFlags) error {
	if source.path != "" {
		file, err := os.Open(source.path)
		if err != nil {
			return fmt.Errorf("open the keys: %w", err)
		}
		defer file.Close()
		request.Keys = file
	} else {
		var text bytes.Buffer
		if err := csv.NewWriter(&text).WriteAll(source.rows); err != nil {
			return fmt.Errorf("encode the keys: %w", err)
		}
		request.Keys = &text
	}
	question := fmt.Sprintf("Delete %v from %s of workspace %s for good? [y/N]> ", source, request.FeatureView, c.workspace)
	if !f.yes && !c.confirm(question) {
		return errors.New("nothing is deleted")
	}
	started, err := c.client().StartDeleteKeys(ctx, request)
	if err != nil {
		return err
	}
	if f.wait {
		return c.awaitDeletion(ctx, request.FeatureView, started)
	}
	if c.output == "json" {
		return printJSON(c.out, started)
	}
	for _, job := range started.JobIDs {
		fmt.Fprintf(c.out, "Started %s, see tilery deletion-status %s\n", job, request.FeatureView)
	}
	return nil
}

// awaitDeletion waits for the jobs and tells how they ended.
func (c *cli) awaitDeletion(ctx context.Context, view string, started api.DeleteKeysResponse) error {
	t, err := c.dial(ctx)
	if err != nil {
		return fmt.Errorf("%s runs on: %w", strings.Join(started.JobIDs, ", "), err)
	}
	defer t.Close()
	results := make([]workflows.DeleteKeysResult, len(started.JobIDs))
	for i, job := range started.JobIDs {
		err := t.GetWorkflow(ctx, workflows.DeleteKeysID(c.workspace, view, job), "").Get(ctx, &results[i])
		if ctx.Err() != nil {
			return fmt.Errorf("interrupted; %s runs on", job)
		}
		if err != nil {
			return fmt.Errorf("delete keys: %s", reason(err))
		}
	}
	if c.output == "json" {
		return printJSON(c.out, results)
	}
	for _, r := range results {
		fmt.Fprintf(c.out, "Deleted %d keys of %s: %d rows offline, %d cells online, see tilery deletion receipt %s %s\n",
			r.Keys, r.View, r.Rows, r.Cells, r.View, r.Job)
		if kept := r.Datasets - r.RemovedDatasets; kept > 0 {
			fmt.Fprintf(c.errOut, "warning: saved datasets that may hold the keys: %d; the receipt names them\n", kept)
		}
	}
	return nil
}
