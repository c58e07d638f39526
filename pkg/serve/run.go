package serve

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"net/url"
	"os"

	"github.com/apache/arrow/go/v15/arrow"

	"github.com/tilery/tilery/pkg/api"
	"github.com/tilery/tilery/pkg/frame"
	"github.com/tilery/tilery/pkg/retrieve"
)

// Bounds of a request for a run.
const (
	maxRunFields  = 101 // the request and the mocks
	maxRunRequest = 64 << 10
)

// runRequest is what is asked of a run, with mocks in files that have no name.
type runRequest struct {
	api.RunRequest
	mocks  map[string]retrieve.Mock
	format frame.Format // of the answer
	files  []*os.File
}

func (r *runRequest) close() {
	for _, file := range r.files {
		file.Close()
	}
}

// makeRun reads the whole request before it refuses any of it, as makeHistorical.
func (s *Server) makeRun(ctx context.Context, o HistoricalOptions, w http.ResponseWriter, r *http.Request) (historicalResult, error) {
	body, size, err := o.stageBody(w, r)
	if err != nil {
		return historicalResult{}, err
	}
	defer body.Close()
	request := &runRequest{mocks: map[string]retrieve.Mock{}}
	defer request.close()
	if err := request.parse(r, io.NewSectionReader(body, 0, size), o.Join.ScratchDir); err != nil {
		return historicalResult{}, err
	}
	target, err := s.engine.Target(ctx, request.Workspace, 0, request.View)
	if err != nil {
		return historicalResult{}, err
	}
	run, err := retrieve.NewRun(target, retrieve.RunRequest{
		Start: request.StartTime, End: request.EndTime, Level: retrieve.Level(request.AggregationLevel), Mocks: request.mocks,
	}, s.clock.Now())
	if err != nil {
		return historicalResult{}, err
	}
	result, err := writeResult(o, request.format, run.Schema, func(write func(arrow.Record) error) (retrieve.Report, error) {
		rows, err := run.Do(ctx, o.engine(s.engine), write)
		return retrieve.Report{Rows: rows}, err
	})
	result.warnings = run.Warnings
	return result, err
}

func (r *runRequest) parse(from *http.Request, body io.Reader, scratch string) error {
	query, err := url.ParseQuery(from.URL.RawQuery)
	if err != nil {
		return fail(api.InvalidArgument, "parameters: %v", err)
	}
	if err := checkParameters(query, []string{api.FormatParameter}); err != nil {
		return err
	}
	if r.format, err = resultFormat(query.Get(api.FormatParameter), from.Header.Values("Accept")); err != nil {
		return err
	}
	media, parameters, err := mime.ParseMediaType(from.Header.Get("Content-Type"))
	switch {
	case err == nil && media == "application/json":
		err = r.decode(body)
	case err == nil && media == "multipart/form-data" && parameters["boundary"] != "":
		err = r.readParts(multipart.NewReader(body, parameters["boundary"]), scratch)
	default:
		return fail(api.InvalidArgument, "content type %q: want application/json, or multipart/form-data with a boundary", from.Header.Get("Content-Type"))
	}
	switch {
	case err != nil:
		return err
	case r.Workspace == "":
		return fail(api.InvalidArgument, "workspace is required")
	case r.View == "":
		return fail(api.InvalidArgument, "view is required")
	}
	return nil
}

func (r *runRequest) decode(body io.Reader) error {
	data, err := io.ReadAll(io.LimitReader(body, maxRunRequest+1))
	switch {
	case err != nil:
		return fmt.Errorf("read the request: %w", err)
	case len(data) > maxRunRequest:
		return fail(api.InvalidArgument, "%s is larger than %d bytes", api.RunField, maxRunRequest)
	}
	if err := json.Unmarshal(data, &r.RunRequest); err != nil {
		return fail(api.InvalidArgument, "%s is not valid JSON: %v", api.RunField, err)
	}
	return nil
}

// readParts reads the fields of a form.
func (r *runRequest) readParts(form *multipart.Reader, scratch string) error {
	asked := false
	for range maxRunFields {
		part, err := form.NextRawPart()
		switch {
		case errors.Is(err, io.EOF) && asked:
			return nil
		case errors.Is(err, io.EOF):
			return fail(api.InvalidArgument, "the form has no field %s", api.RunField)
		case err != nil:
			return fail(api.InvalidArgument, "read the form: %v", err)
		}
		name := part.FormName()
		_, again := r.mocks[name]
		switch {
		case name == "":
			return fail(api.InvalidArgument, "a field of the form has no name")
		case again, name == api.RunField && asked:
			return fail(api.InvalidArgument, "field %s of the form is given twice", name)
		case name == api.RunField:
			asked, err = true, r.decode(part)
		default:
			err = r.readMock(name, part, scratch)
		}
		if err != nil {
			return err
		}
	}
	return fail(api.InvalidArgument, "the form has more than %d fields", maxRunFields)
}

// readMock keeps a file until the run is done.
func (r *runRequest) readMock(name string, part *multipart.Part, scratch string) error {
	format, err := frame.FormatOfMediaType(part.Header.Get("Content-Type"))
	if err == nil && format == "" {
		format, err = frame.FormatOf(part.FileName())
	}
	if err != nil {
		return fail(api.InvalidArgument, "mock %s: %v", name, err)
	}
	file, err := unnamedFile(scratch)
	if err != nil {
		return err
	}
	r.files = append(r.files, file)
	size, err := io.Copy(file, part)
	if err != nil {
		return fail(api.InvalidArgument, "mock %s: %v", name, err)
	}
	r.mocks[name] = retrieve.Mock{File: file, Size: size, Format: format}
	return nil
}
