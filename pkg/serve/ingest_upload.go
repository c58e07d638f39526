package serve

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/url"
	"os"
	"time"

	"github.com/tilery/tilery/pkg/api"
	"github.com/tilery/tilery/pkg/frame"
	"github.com/tilery/tilery/pkg/ingest"
)

// upload returns the endpoint that takes a frame's file and streams it to the bucket.
func (i *ingests) upload(slots chan struct{}) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		leave, err := enter(slots, "Frames")
		if err != nil {
			i.fail(w, r, err)
			return
		}
		defer leave()
		ctx, cancel := context.WithTimeout(r.Context(), i.UploadTimeout)
		defer cancel()
		staged, err := i.stage(ctx, w, r)
		if err != nil {
			i.fail(w, r, ingestError(err))
			return
		}
		i.write(w, r, http.StatusCreated, api.StagedFrame{Path: staged.Path, Format: string(staged.Format), Bytes: staged.Bytes})
	}
}

func (i *ingests) stage(ctx context.Context, w http.ResponseWriter, r *http.Request) (ingest.Frame, error) {
	query, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return ingest.Frame{}, fail(api.InvalidArgument, "parameters: %v", err)
	}
	if err := checkParameters(query, []string{api.PathParameter, api.FormatParameter}); err != nil {
		return ingest.Frame{}, err
	}
	path := query.Get(api.PathParameter)
	if path == "" {
		return ingest.Frame{}, fail(api.InvalidArgument, "parameter %s is required: the df_path of %s", api.PathParameter, api.DataFrameInfoPath)
	}
	// Tecton's clients send Parquet without telling.
	format, err := bodyFormat("the frame's format", api.FormatParameter, query.Get(api.FormatParameter), r.Header.Get("Content-Type"), frame.Parquet)
	if err != nil {
		return ingest.Frame{}, err
	}
	body := newUploadBody(w, r, i.IdleTimeout, i.UploadTimeout)
	staged, err := i.Frames.Stage(ctx, path, format, body)
	switch {
	case err == nil:
		body.end()
		return staged, nil
	case errors.Is(body.err, os.ErrDeadlineExceeded):
		return ingest.Frame{}, fail(api.DeadlineExceeded, timedOut)
	case body.err != nil && ctx.Err() == nil:
		return ingest.Frame{}, fail(api.InvalidArgument, "request body: %v", body.err)
	}
	return ingest.Frame{}, err
}

// uploadBody reads a body that may take long, as long as it goes on arriving.
type uploadBody struct {
	body       io.Reader
	connection *http.ResponseController
	idle       time.Duration
	until      time.Time
	err        error // why it ended, but for its end
}

func newUploadBody(w http.ResponseWriter, r *http.Request, idle, most time.Duration) *uploadBody {
	b := &uploadBody{body: r.Body, connection: http.NewResponseController(w), idle: idle, until: time.Now().Add(most)}
	// A writer that knows no deadlines has no connection that could be slow.
	_ = b.connection.SetWriteDeadline(b.until.Add(idle))
	return b
}

// Read implements io.Reader.
func (b *uploadBody) Read(p []byte) (int, error) {
	deadline := time.Now().Add(b.idle)
	if deadline.After(b.until) {
		deadline = b.until
	}
	_ = b.connection.SetReadDeadline(deadline) // as of newUploadBody
	n, err := b.body.Read(p)
	if err != nil && !errors.Is(err, io.EOF) {
		b.err = err
	}
	return n, err
}

// end lets the connection serve other requests.
func (b *uploadBody) end() { _ = b.connection.SetReadDeadline(time.Time{}) }
