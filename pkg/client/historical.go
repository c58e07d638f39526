package client

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/apache/arrow/go/v15/arrow/ipc"

	"github.com/tilery/tilery/pkg/api"
	"github.com/tilery/tilery/pkg/frame"
	"github.com/tilery/tilery/pkg/window"
)

// HistoricalRequest asks for the features of a spine: of entities, each at a time. Without
// one it asks for the events of a view, all of them or those of entities and a range of time.
type HistoricalRequest struct {
	Workspace    string
	View         string // or Service
	Service      string
	TimestampKey string // the spine's column of times; empty: the only one it has
	FromSource   bool   // compute from raw data, whatever is materialized
	Save         bool   // keep the result as a dataset
	SaveAs       string // its name, which implies Save; empty: one is made up

	// Spine is a file of SpineFormat. Or Records are its rows, which the call reads and
	// the caller releases.
	Spine       io.Reader
	SpineFormat frame.Format
	Records     array.RecordReader

	Entities bool         // Spine, or Records, is no spine: it has the join keys alone
	Start    *window.Time // of the events; nil: feature_start_time
	End      *window.Time // exclusive; nil: there is none
}

// HistoricalReport tells of a result what its rows do not.
type HistoricalReport struct {
	Rows      int64           `json:"rows"`
	Uncovered []api.Uncovered `json:"uncovered,omitempty"`
	Warnings  []string        `json:"warnings,omitempty"` // of a run
	Dataset   string          `json:"dataset,omitempty"`  // that it was saved as
}

// Frame is the spine with its features, a record at a time. It is read from the
// connection: close it.
type Frame struct {
	Report  HistoricalReport
	records *ipc.Reader
	body    io.Closer
	left    int64 // rows that were not read yet
}

// HistoricalFile is the spine with its features as a file. It is read from the
// connection: close it.
type HistoricalFile struct {
	io.ReadCloser
	Size   int64 // bytes
	Report HistoricalReport
}

// HistoricalFeatures computes features at the times of a spine. The server takes
// minutes for a large one; ctx bounds the wait, but for a read of the spine that hangs.
func (c *Client) HistoricalFeatures(ctx context.Context, r HistoricalRequest) (*Frame, error) {
	return frameOf(c.HistoricalFile(ctx, r, frame.Arrow))
}

// frameOf reads the answer of a request for frame.Arrow.
func frameOf(file *HistoricalFile, err error) (*Frame, error) {
	if err != nil {
		return nil, err
	}
	records, err := NewFrame(file)
	if err != nil {
		file.Close()
	}
	return records, err
}

// NewFrame reads a file that was asked for as frame.Arrow. Closing the frame closes it.
func NewFrame(file *HistoricalFile) (*Frame, error) {
	records, err := ipc.NewReader(file)
	if err != nil {
		return nil, fmt.Errorf("read historical features: %w", err)
	}
	return &Frame{file.Report, records, file, file.Report.Rows}, nil
}

// Schema returns the columns: the spine's, then view.feature or namespace.feature; or
// those of events.
func (f *Frame) Schema() *arrow.Schema { return f.records.Schema() }

// Next returns io.EOF after the last record. A record is valid until the next call.
func (f *Frame) Next() (arrow.Record, error) {
	rec, err := f.records.Read()
	switch {
	case err == nil:
		f.left -= rec.NumRows()
		return rec, nil
	case !errors.Is(err, io.EOF):
		return nil, fmt.Errorf("read historical features: %w", err)
	case f.left != 0:
		return nil, fmt.Errorf("read historical features: %w", io.ErrUnexpectedEOF)
	}
	return nil, io.EOF
}

// Close ends the reading.
func (f *Frame) Close() error {
	f.records.Release()
	return f.body.Close()
}

// HistoricalFile is HistoricalFeatures with the result as a file of that format.
func (c *Client) HistoricalFile(ctx context.Context, r HistoricalRequest, format frame.Format) (*HistoricalFile, error) {
	if r.Records != nil {
		r.SpineFormat = frame.Arrow
	}
	spine := newSpineBody(r.Spine, r.Records)
	request, err := c.historicalRequest(ctx, api.HistoricalPath, r, spine, format)
	if err != nil {
		return nil, err
	}
	return c.file(ctx, request, spine)
}

// file sends a request with a body and returns the file that comes back.
func (c *Client) file(ctx context.Context, request *http.Request, body *spineBody) (*HistoricalFile, error) {
	answer, err := c.send(ctx, request, body)
	if err != nil {
		return nil, err
	}
	if answer.StatusCode != http.StatusOK {
		defer answer.Body.Close()
		return nil, c.failure(request.URL.Path, answer)
	}
	file := &HistoricalFile{ReadCloser: answer.Body, Size: answer.ContentLength}
	if err := file.Report.read(answer.Header); err != nil {
		answer.Body.Close()
		return nil, fmt.Errorf("decode answer of %s%s, is it Tilery's worker?: %w", c.address, request.URL.Path, err)
	}
	return file, nil
}

// send sends a request with a body that is the caller's again when it returns.
func (c *Client) send(ctx context.Context, request *http.Request, body *spineBody) (*http.Response, error) {
	answer, err := c.slow.Do(request)
	broken := body.stop()
	switch {
	case broken != nil && err == nil:
		answer.Body.Close()
		return nil, broken
	case broken != nil:
		return nil, broken
	case err != nil:
		return nil, c.noAnswer(ctx, err)
	}
	return answer, nil
}

func (r *HistoricalReport) read(header http.Header) (err error) {
	if r.Rows, err = strconv.ParseInt(header.Get(api.RowsHeader), 10, 64); err != nil {
		return err
	}
	r.Dataset = header.Get(api.DatasetHeader)
	for name, into := range map[string]any{api.UncoveredHeader: &r.Uncovered, api.WarningsHeader: &r.Warnings} {
		if text := header.Get(name); text != "" {
			if err := json.Unmarshal([]byte(text), into); err != nil {
				return fmt.Errorf("header %s: %w", name, err)
			}
		}
	}
	return nil
}

func (c *Client) historicalRequest(ctx context.Context, path string, r HistoricalRequest, spine io.Reader, format frame.Format) (*http.Request, error) {
	query := url.Values{}
	for name, value := range map[string]string{
		api.WorkspaceParameter: r.Workspace, api.ViewParameter: r.View, api.ServiceParameter: r.Service, api.TimestampKeyParameter: r.TimestampKey,
		api.SaveAsParameter: r.SaveAs,
	} {
		if value != "" {
			query.Set(name, value)
		}
	}
	if r.Save {
		query.Set(api.SaveParameter, "true")
	}
	if r.FromSource {
		query.Set(api.FromSourceParameter, "true")
	}
	if r.Entities {
		query.Set(api.BodyParameter, api.BodyEntities)
	}
	setTime(query, api.StartTimeParameter, r.Start)
	setTime(query, api.EndTimeParameter, r.End)
	return c.fileRequest(ctx, path, query, r.SpineFormat, spine, format)
}

func setTime(query url.Values, name string, at *window.Time) {
	if at != nil {
		query.Set(name, at.String())
	}
}

// fileRequest returns a request with a file, or without a format with none, for another.
func (c *Client) fileRequest(ctx context.Context, path string, query url.Values, sent frame.Format, body io.Reader, format frame.Format) (*http.Request, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, c.address+path+"?"+query.Encode(), body)
	if err != nil {
		return nil, fmt.Errorf("server address %q: %w", c.address, err)
	}
	if sent != "" {
		request.Header.Set("Content-Type", sent.MediaType())
	}
	request.Header.Set("Accept", format.MediaType())
	// A server that has no room for the request says so before the spine is sent.
	request.Header.Set("Expect", "100-continue")
	return request, nil
}
