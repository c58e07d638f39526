package client

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"mime/multipart"
	"net/http"
	"net/textproto"
	"slices"

	"github.com/apache/arrow/go/v15/arrow/array"

	"github.com/tilery/tilery/pkg/api"
	"github.com/tilery/tilery/pkg/frame"
)

// RunRequest asks for a run of a view, of which nothing is stored.
type RunRequest struct {
	api.RunRequest
	Mocks map[string]Mock // data in place of sources, by name
}

// Mock is rows in place of a source: a file of a format, or records.
type Mock struct {
	File    io.Reader
	Format  frame.Format
	Records array.RecordReader // read by the call and released by the caller
}

// Run carries a run out. Warnings are in the frame's Report.
func (c *Client) Run(ctx context.Context, r RunRequest) (*Frame, error) {
	return frameOf(c.RunFile(ctx, r, frame.Arrow))
}

// RunFile is Run with the result as a file of that format.
func (c *Client) RunFile(ctx context.Context, r RunRequest, format frame.Format) (*HistoricalFile, error) {
	content, contentType, err := r.form()
	if err != nil {
		return nil, err
	}
	body := &spineBody{r: content, of: "the mocks"}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, c.address+api.RunPath, body)
	if err != nil {
		return nil, fmt.Errorf("server address %q: %w", c.address, err)
	}
	request.Header.Set("Content-Type", contentType)
	request.Header.Set("Accept", format.MediaType())
	request.Header.Set("Expect", "100-continue") // as of historical features
	return c.file(ctx, request, body)
}

// form returns the request and the mocks as multipart/form-data, which is read as it
// is sent.
func (r RunRequest) form() (io.Reader, string, error) {
	asked, err := json.Marshal(r.RunRequest)
	if err != nil {
		return nil, "", fmt.Errorf("encode request: %w", err)
	}
	var between bytes.Buffer // what the form has around files
	form := multipart.NewWriter(&between)
	if err := form.WriteField(api.RunField, string(asked)); err != nil {
		return nil, "", fmt.Errorf("encode request: %w", err)
	}
	var parts []io.Reader
	for _, name := range slices.Sorted(maps.Keys(r.Mocks)) {
		mock := r.Mocks[name]
		if mock.Records != nil {
			mock.File, mock.Format = newRecordStream(mock.Records), frame.Arrow
		}
		header := textproto.MIMEHeader{}
		header.Set("Content-Disposition", multipart.FileContentDisposition(name, "mock"))
		header.Set("Content-Type", mock.Format.MediaType())
		if _, err := form.CreatePart(header); err != nil {
			return nil, "", fmt.Errorf("encode mock %s: %w", name, err)
		}
		parts = append(parts, bytes.NewReader(bytes.Clone(between.Bytes())), mock.File)
		between.Reset()
	}
	if err := form.Close(); err != nil {
		return nil, "", fmt.Errorf("encode request: %w", err)
	}
	return io.MultiReader(append(parts, &between)...), form.FormDataContentType(), nil
}
