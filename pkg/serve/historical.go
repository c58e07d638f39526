package serve

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strconv"
	"time"

	"github.com/apache/arrow/go/v15/arrow"

	"github.com/tilery/tilery/pkg/api"
	"github.com/tilery/tilery/pkg/dataset"
	"github.com/tilery/tilery/pkg/feature"
	"github.com/tilery/tilery/pkg/frame"
	"github.com/tilery/tilery/pkg/offline"
	"github.com/tilery/tilery/pkg/registry"
	"github.com/tilery/tilery/pkg/retrieve"
)

// HistoricalOptions bound requests for historical features. Zero values mean the
// defaults.
type HistoricalOptions struct {
	MaxConcurrent int           // requests at a time; default 2
	MaxSpine      int64         // bytes of a body; default 256 MiB
	MaxResult     int64         // bytes of an answer; default 4 GiB
	Timeout       time.Duration // until the answer is made, and as long to send it; default 10 minutes
	// Join bounds the work for one request. Bodies and answers are kept in its ScratchDir, too.
	Join retrieve.Options
	// Temporary is where from_source keeps what it computes; nil: there is no from_source.
	Temporary TemporaryStore
}

func (o HistoricalOptions) withDefaults() HistoricalOptions {
	o.MaxConcurrent = orDefault(o.MaxConcurrent, 2)
	o.MaxSpine = orDefault(o.MaxSpine, 256<<20)
	o.MaxResult = orDefault(o.MaxResult, 4<<30)
	o.Timeout = orDefault(o.Timeout, 10*time.Minute)
	return o
}

// historicals adds the endpoints that work on many rows. They share the slots.
func (s *Server) historicals(o HistoricalOptions) {
	o = o.withDefaults()
	slots := make(chan struct{}, o.MaxConcurrent)
	historical := s.fileHandler("HistoricalFeatures", o, slots, s.makeHistorical)
	s.mux.Handle("POST "+api.HistoricalPath, historical)
	s.mux.Handle("GET "+api.HistoricalPath, historical)
	inRange := s.fileHandler("FeaturesInRange", o, slots, s.makeRange)
	s.mux.Handle("POST "+api.RangePath, inRange)
	s.mux.Handle("GET "+api.RangePath, inRange)
	s.mux.Handle("POST "+api.RunPath, s.fileHandler("Run", o, slots, s.makeRun))
	if s.datasets != nil {
		s.datasetEndpoints(o, slots)
	}
}

type makeFile func(context.Context, HistoricalOptions, http.ResponseWriter, *http.Request) (historicalResult, error)

// fileHandler returns an endpoint whose answer is a file. It is complete before its
// first byte is sent: what fails midway is an error, never half a file.
func (s *Server) fileHandler(name string, o HistoricalOptions, slots chan struct{}, produce makeFile) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		leave, err := enter(slots, name)
		if err != nil {
			s.fail(w, r, err)
			return
		}
		defer leave()
		ctx, cancel := o.bounded(w, r)
		defer cancel()
		result, err := produce(ctx, o, w, r)
		if err != nil {
			s.fail(w, r, historicalError(err))
			return
		}
		defer result.file.Close()
		s.sendHistorical(w, r, result)
	}
}

// bounded bounds the time for a request and for sending its answer.
func (o HistoricalOptions) bounded(w http.ResponseWriter, r *http.Request) (context.Context, context.CancelFunc) {
	// A writer that knows no deadlines has no connection that could be slow.
	_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(2 * o.Timeout))
	return context.WithTimeout(r.Context(), o.Timeout)
}

// historicalResult is an answer before it is sent.
type historicalResult struct {
	file   *os.File // at its start
	size   int64
	format frame.Format
	report retrieve.Report
	saved  string // as the dataset of that name; empty: not saved

	warnings []string // of a run
}

// makeHistorical reads the whole request before it refuses any of it: one who is
// still sending would see a broken connection and no answer.
func (s *Server) makeHistorical(ctx context.Context, o HistoricalOptions, w http.ResponseWriter, r *http.Request) (historicalResult, error) {
	spine, size, err := o.stageBody(w, r)
	if err != nil {
		return historicalResult{}, err
	}
	defer spine.Close()
	request, err := parseHistorical(r, size > 0)
	if err != nil {
		return historicalResult{}, err
	}
	parts, err := s.resolve(ctx, request)
	if err != nil {
		return historicalResult{}, err
	}
	if size == 0 || request.entities {
		return s.makeEvents(ctx, o, request, parts, spine, size)
	}
	rows, reader, err := openSpine(spine, size, o.Join.MemoryBytes, request, parts)
	if err != nil {
		return historicalResult{}, err
	}
	defer reader.Close()
	if request.fromSource {
		var remove func()
		instants, err := instantsOf(ctx, o, spine, size, request, parts)
		if err != nil {
			return historicalResult{}, err
		}
		if parts, remove, err = s.fromSource(ctx, o, instants, parts); err != nil {
			return historicalResult{}, err
		}
		defer remove()
	}
	schema, err := retrieve.Result(rows.Schema, parts)
	if err != nil {
		return historicalResult{}, err
	}
	join := func(write func(arrow.Record) error) (retrieve.Report, error) {
		return retrieve.Join(ctx, o.Join, rows, parts, write)
	}
	if !request.save {
		return writeResult(o, request.format, schema, join)
	}
	return s.saveResult(ctx, o, request, schema, &savedSpine{rows, io.NewSectionReader(spine, 0, size)}, parts, join)
}

// fillResult hands the rows of an answer to write.
type fillResult func(write func(arrow.Record) error) (retrieve.Report, error)

// writeResult writes rows to a file without a name.
func writeResult(o HistoricalOptions, format frame.Format, schema feature.Schema, fill fillResult) (_ historicalResult, err error) {
	file, err := unnamedFile(o.Join.ScratchDir)
	if err != nil {
		return historicalResult{}, err
	}
	defer func() {
		if err != nil {
			file.Close()
		}
	}()
	bounded := &boundedWriter{w: file, left: o.MaxResult}
	out, err := frame.NewWriter(bounded, format, schema)
	if err != nil {
		return historicalResult{}, fmt.Errorf("begin the answer: %w", err)
	}
	report, err := fill(out.Write)
	if err == nil {
		err = out.Close()
	}
	if bounded.full {
		err = fail(api.ResourceExhausted, "the answer is larger than %d bytes: ask for fewer rows or features at a time", o.MaxResult)
	}
	if err != nil {
		return historicalResult{}, err
	}
	_, err = file.Seek(0, io.SeekStart)
	return historicalResult{file: file, size: o.MaxResult - bounded.left, format: format, report: report}, err
}

func (s *Server) sendHistorical(w http.ResponseWriter, r *http.Request, result historicalResult) {
	header := w.Header()
	if uncovered := shortened(result.report.Uncovered); len(uncovered) > 0 {
		text, err := json.Marshal(uncovered)
		if err != nil {
			s.fail(w, r, fmt.Errorf("encode %s: %w", api.UncoveredHeader, err))
			return
		}
		header.Set(api.UncoveredHeader, string(text))
	}
	if len(result.warnings) > 0 {
		text, err := json.Marshal(result.warnings)
		if err != nil {
			s.fail(w, r, fmt.Errorf("encode %s: %w", api.WarningsHeader, err))
			return
		}
		header.Set(api.WarningsHeader, string(text))
	}
	if result.saved != "" {
		header.Set(api.DatasetHeader, result.saved)
	}
	header.Set(api.RowsHeader, strconv.FormatInt(result.report.Rows, 10))
	header.Set("Content-Type", result.format.MediaType())
	header.Set("Content-Length", strconv.FormatInt(result.size, 10))
	header.Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(http.StatusOK)
	_, _ = io.Copy(w, result.file) // the caller is gone, or sees that the file is too short
}

// shortened bounds what is told of uncovered time, which stands in a header.
func shortened(all []retrieve.Uncovered) []api.Uncovered {
	var out []api.Uncovered
	left := api.MaxUncovered
	for _, u := range all {
		told := min(left, len(u.Intervals))
		left -= told
		out = append(out, api.Uncovered{View: u.View, Intervals: u.Intervals[:told], More: len(u.Intervals) - told})
	}
	return out
}

// historicalError gives the errors that a person can act on their code.
func historicalError(err error) error {
	var answer *api.Error
	switch {
	case errors.As(err, &answer):
		return answer
	case errors.Is(err, registry.ErrNotFound), errors.Is(err, dataset.ErrNotFound):
		return fail(api.NotFound, "%v", err)
	case errors.Is(err, dataset.ErrExists):
		return fail(api.Aborted, "%v", err)
	case errors.Is(err, dataset.ErrName), errors.Is(err, offline.ErrColumns):
		return fail(api.InvalidArgument, "%v", err)
	case errors.Is(err, registry.ErrWorkspace), errors.Is(err, retrieve.ErrSpine), errors.Is(err, frame.ErrData):
		return fail(api.InvalidArgument, "%v", err)
	case errors.Is(err, retrieve.ErrNoData):
		return fail(api.FailedPrecondition, "%v", err)
	case errors.Is(err, offline.ErrHistoryGone):
		return fail(api.Unavailable, "files of the store were replaced while they were read: try again")
	}
	return computeError(err)
}

// stageBody copies the body of a request, of that size, to a file without a name, which
// the caller closes.
func (o HistoricalOptions) stageBody(w http.ResponseWriter, r *http.Request) (_ *os.File, size int64, err error) {
	body, err := unnamedFile(o.Join.ScratchDir)
	if err != nil {
		return nil, 0, err
	}
	if err = copyBody(body, w, r, o.MaxSpine, o.Timeout); err == nil {
		size, err = body.Seek(0, io.SeekCurrent)
	}
	if err != nil {
		body.Close()
		return nil, 0, err
	}
	return body, size, nil
}

// unnamedFile makes a file that is gone when it is closed, or when the process ends.
func unnamedFile(dir string) (*os.File, error) {
	file, err := os.CreateTemp(dir, "tilery-historical-*")
	if err != nil {
		return nil, fmt.Errorf("scratch file: %w", err)
	}
	if err := os.Remove(file.Name()); err != nil {
		file.Close()
		return nil, fmt.Errorf("scratch file: %w", err)
	}
	return file, nil
}

// boundedWriter refuses what is too much.
type boundedWriter struct {
	w    io.Writer
	left int64
	full bool
}

func (b *boundedWriter) Write(p []byte) (int, error) {
	if int64(len(p)) > b.left {
		b.full = true
		return 0, io.ErrShortWrite
	}
	n, err := b.w.Write(p)
	b.left -= int64(n)
	return n, err
}
