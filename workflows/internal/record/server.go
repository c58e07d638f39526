package main

import (
	"context"
	"fmt"
	"io"
	"strings"

	"go.temporal.io/sdk/client"

	"github.com/tilery/tilery/pkg/api"
	tilery "github.com/tilery/tilery/pkg/client"
	"github.com/tilery/tilery/pkg/frame"
	"github.com/tilery/tilery/workflows"
)

// serverJob is a job that the server starts, since it stages what the job reads.
type serverJob struct {
	name  string
	start func(ctx context.Context, server *tilery.Client) (workflowID string, err error)
}

// serverJobs in this order: a deletion needs rows.
var serverJobs = []serverJob{
	{"retrieval", func(ctx context.Context, server *tilery.Client) (string, error) {
		started, err := server.StartDataset(ctx, tilery.HistoricalRequest{
			Workspace: workspace, View: "daily", SaveAs: "replay", SpineFormat: frame.CSV, Spine: strings.NewReader("origin,at\nATL,2001-01-15\n"),
		})
		return started.Job, err
	}},
	{"ingest", func(ctx context.Context, server *tilery.Client) (string, error) {
		return ingest(ctx, server, "origin,at,score\nATL,2001-01-15,0.5\nJFK,2001-01-16,0.25\n")
	}},
	{"bad-frame", func(ctx context.Context, server *tilery.Client) (string, error) {
		return ingest(ctx, server, "origin,at,score\nATL,2001-01-15,high\n")
	}},
	{"deletion", func(ctx context.Context, server *tilery.Client) (string, error) {
		started, err := server.StartDeleteKeys(ctx, tilery.DeleteKeysRequest{
			Workspace: workspace, FeatureView: scores, Format: frame.CSV, Keys: strings.NewReader("origin\nATL\n"),
		})
		if err != nil {
			return "", err
		}
		return workflows.DeleteKeysID(workspace, scores, started.JobIDs[0]), nil
	}},
}

// scores is the feature table of the repository.
const scores = "scores"

func ingest(ctx context.Context, server *tilery.Client, csv string) (string, error) {
	info, err := server.DataFrameInfo(ctx, api.DataFrameInfoRequest{Workspace: workspace, FeatureView: scores})
	if err != nil {
		return "", err
	}
	if _, err := server.StageFrame(ctx, info.Path, strings.NewReader(csv), frame.CSV); err != nil {
		return "", err
	}
	_, err = server.IngestDataFrame(ctx, api.IngestRequest{Workspace: workspace, FeatureView: scores, Path: info.Path})
	return workflows.IngestID(info.Path), err
}

// record runs the job to its end, whatever that is, and stores its history.
func (j serverJob) record(ctx context.Context, address string, temporal client.Client, out, release string, stdout io.Writer) error {
	id, err := j.start(ctx, tilery.New(address))
	if err != nil {
		return fmt.Errorf("start: %w", err)
	}
	if err := temporal.GetWorkflow(ctx, id, "").Get(ctx, nil); err != nil && ctx.Err() != nil {
		return err
	}
	ended, err := temporal.DescribeWorkflowExecution(ctx, id, "")
	if err != nil {
		return fmt.Errorf("describe %s: %w", id, err)
	}
	return store(ctx, temporal, id, ended.GetWorkflowExecutionInfo().GetExecution().GetRunId(), out, release+"-"+j.name, stdout)
}
