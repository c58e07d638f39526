package client

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"time"

	"github.com/apache/arrow/go/v15/arrow/array"

	"github.com/tilery/tilery/pkg/api"
	"github.com/tilery/tilery/pkg/frame"
)

// Ingest has a job write the rows of a file into a feature table and returns its id.
// They are there when the job has succeeded, see WaitForJob: all of them or none. The
// upload is bounded by ctx, but for a read of r that hangs.
func (c *Client) Ingest(ctx context.Context, workspace, table string, r io.Reader, format frame.Format) (job string, err error) {
	return c.ingest(ctx, workspace, table, &spineBody{r: r, of: "the frame"}, format)
}

// IngestFile is Ingest of the file at path, whose extension tells its format.
func (c *Client) IngestFile(ctx context.Context, workspace, table, path string) (job string, err error) {
	format, err := frame.FormatOf(path)
	if err != nil {
		return "", err
	}
	file, err := os.Open(path)
	if err != nil {
		return "", fmt.Errorf("open the frame: %w", err)
	}
	defer file.Close()
	return c.Ingest(ctx, workspace, table, file, format)
}

// IngestRecords is Ingest of records, which the call reads and the caller releases.
func (c *Client) IngestRecords(ctx context.Context, workspace, table string, r array.RecordReader) (job string, err error) {
	return c.Ingest(ctx, workspace, table, newRecordStream(r), frame.Arrow)
}

func (c *Client) ingest(ctx context.Context, workspace, table string, body *spineBody, format frame.Format) (string, error) {
	info, err := c.DataFrameInfo(ctx, api.DataFrameInfoRequest{Workspace: workspace, FeatureView: table})
	if err != nil {
		return "", err
	}
	if _, err := c.stageFrame(ctx, info.Path, body, format); err != nil {
		return "", err
	}
	started, err := c.IngestDataFrame(ctx, api.IngestRequest{Workspace: workspace, FeatureView: table, Path: info.Path})
	return started.Job.ID, err
}

// DataFrameInfo reserves a path for a data frame. StageFrame and IngestDataFrame are the
// steps after it; a step whose answer was lost may be repeated.
func (c *Client) DataFrameInfo(ctx context.Context, r api.DataFrameInfoRequest) (api.DataFrameInfoResponse, error) {
	return call[api.DataFrameInfoResponse](ctx, c, api.DataFrameInfoPath, r)
}

// StageFrame sends the file of a data frame to a reserved path.
func (c *Client) StageFrame(ctx context.Context, path string, r io.Reader, format frame.Format) (api.StagedFrame, error) {
	return c.stageFrame(ctx, path, &spineBody{r: r, of: "the frame"}, format)
}

// IngestDataFrame starts the job of a staged frame. If it runs or has succeeded already,
// it returns that one.
func (c *Client) IngestDataFrame(ctx context.Context, r api.IngestRequest) (api.IngestResponse, error) {
	return call[api.IngestResponse](ctx, c, api.IngestPath, r)
}

func (c *Client) stageFrame(ctx context.Context, path string, body *spineBody, format frame.Format) (staged api.StagedFrame, err error) {
	address := c.address + api.FramesPath + "?" + url.Values{api.PathParameter: {path}}.Encode()
	request, err := http.NewRequestWithContext(ctx, http.MethodPut, address, body)
	if err != nil {
		return staged, fmt.Errorf("server address %q: %w", c.address, err)
	}
	request.Header.Set("Content-Type", format.MediaType())
	// A server that has no room for the frame says so before it is sent.
	request.Header.Set("Expect", "100-continue")
	answer, err := c.send(ctx, request, body)
	if err != nil {
		return staged, err
	}
	defer answer.Body.Close()
	return decodeAnswer[api.StagedFrame](c, answer, http.StatusCreated)
}

// JobError is a job that ended without success.
type JobError struct{ Job api.Job }

// Error gives the state and what the job ended with.
func (e *JobError) Error() string {
	return fmt.Sprintf("job %s of %s: %s: %s", e.Job.ID, e.Job.FeatureView, e.Job.State, e.Job.Message)
}

// Bounds of the pause between two questions for a job's state.
const (
	minPoll = 100 * time.Millisecond
	maxPoll = 5 * time.Second
)

// WaitForJob asks for a job until it has ended, bounded by ctx. The error is a *JobError
// if it ended without success. A job that was just started may not be recorded yet: one
// that nobody knows is waited for during the first ten seconds. A job outlives the
// worker: one that does not answer, as when it is restarted, is waited for two minutes.
func (c *Client) WaitForJob(ctx context.Context, r api.GetJobRequest) (api.Job, error) {
	began := time.Now()
	answered := began
	for pause := minPoll; ; pause = min(2*pause, maxPoll) {
		answer, err := c.Job(ctx, r)
		if !unanswered(err) {
			answered = time.Now()
		}
		switch {
		case err == nil && answer.Job.Status.Final() && answer.Job.State != api.JobSuccess:
			return answer.Job, &JobError{answer.Job}
		case err == nil && answer.Job.Status.Final():
			return answer.Job, nil
		case err == nil,
			isCode(err, api.NotFound) && time.Since(began) < recordedWithin,
			unanswered(err) && time.Since(answered) < restartedWithin:
		default:
			return api.Job{}, err
		}
		timer := time.NewTimer(pause)
		select {
		case <-ctx.Done():
			timer.Stop()
			return answer.Job, fmt.Errorf("wait for job %s: %w", r.JobID, ctx.Err())
		case <-timer.C:
		}
	}
}

const (
	// recordedWithin is how long after its start a job may not be recorded.
	recordedWithin = 10 * time.Second
	// restartedWithin is how long a worker may not answer.
	restartedWithin = 2 * time.Minute
)

// unanswered reports whether an error is that of a worker which is not there, or not yet.
func unanswered(err error) bool {
	var sent *url.Error
	return errors.As(err, &sent) && sent.Op != "parse" || errors.Is(err, io.ErrUnexpectedEOF) || isCode(err, api.Unavailable)
}

func isCode(err error, code api.Code) bool {
	var answer *api.Error
	return errors.As(err, &answer) && answer.Code == code
}
