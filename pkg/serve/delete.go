package serve

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/tilery/tilery/pkg/api"
	"github.com/tilery/tilery/pkg/erase"
	"github.com/tilery/tilery/pkg/forget"
	"github.com/tilery/tilery/pkg/frame"
	"github.com/tilery/tilery/pkg/keyset"
	"github.com/tilery/tilery/pkg/ledger"
	"github.com/tilery/tilery/pkg/registry"
	"github.com/tilery/tilery/pkg/window"
)

// DeletionOptions are what keys are deleted by.
type DeletionOptions struct {
	Keys   Keys
	Fences Fences
	// Start starts the job that deletes staged keys. Its id is that of the stage.
	Start func(ctx context.Context, staged erase.Staged) error
	// Restore starts a job that materializes the view of a lifted fence again up to a
	// time, nil for all that is complete, and returns its id.
	Restore func(ctx context.Context, lifted forget.Fence, end *window.Time) (string, error)

	MaxConcurrent int   // files of keys at a time; 0: 2
	MaxBytes      int64 // of such a file; 0: 256 MiB
}

// Keys stages keys that are to be deleted, and keeps receipts. *erase.Engine is one.
type Keys interface {
	Stage(ctx context.Context, r erase.Request, file io.ReaderAt, size int64, format frame.Format) (erase.Staged, error)
	Receipt(ctx context.Context, workspace, view, id string) (erase.Receipt, error)
	Receipts(ctx context.Context, workspace, view string, limit int) ([]erase.Receipt, error)
}

// Fences hold deleted keys back. *forget.Store is one.
type Fences interface {
	Lift(ctx context.Context, workspace, view, id string) (forget.Fence, error)
}

const (
	maxDeletionDocument = 1 << 20 // keys in JSON; more come as a file
	defaultReceipts     = 100
	maxReceipts         = 1000
)

// deletions are the endpoints of deletion.
type deletions struct {
	*Server
	DeletionOptions
	bounds HistoricalOptions // of a request with a file
}

func (s *Server) deletions(o DeletionOptions, bounds HistoricalOptions, timeout time.Duration) {
	bounds.MaxSpine = orDefault(o.MaxBytes, 256<<20)
	d := &deletions{s, o, bounds}
	files := make(chan struct{}, orDefault(o.MaxConcurrent, 2))
	s.mux.Handle("POST "+api.DeleteKeysPath, d.answering(files, d.deleteKeys))
	lookups := make(chan struct{}, 16)
	s.mux.Handle("GET "+api.DeletionReceiptsPath, d.answering(lookups, d.receipts))
	lift := endpoint{name: "LiftDeletion", handle: d.lift, maxBody: maxLookupBody, timeout: timeout, slots: lookups}
	s.mux.Handle("POST "+api.LiftDeletionPath, s.handler(lift))
}

// answering returns an endpoint that answers with a document.
func (d *deletions) answering(slots chan struct{}, handle func(context.Context, http.ResponseWriter, *http.Request) (any, error)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		leave, err := enter(slots, "Deletion")
		if err != nil {
			d.fail(w, r, err)
			return
		}
		defer leave()
		ctx, cancel := d.bounds.bounded(w, r)
		defer cancel()
		answer, err := handle(ctx, w, r)
		if err != nil {
			d.fail(w, r, deletionError(err))
			return
		}
		d.write(w, r, http.StatusOK, answer)
	}
}

// deleteKeys refuses what is wrong with the request and with any key at once.
func (d *deletions) deleteKeys(ctx context.Context, w http.ResponseWriter, r *http.Request) (any, error) {
	body, size, err := d.bounds.stageBody(w, r)
	if err != nil {
		return nil, err
	}
	defer body.Close()
	asked, err := parseDeletion(r, body, size, d.clock.Now())
	if err != nil {
		return nil, err
	}
	staged, err := d.Keys.Stage(ctx, asked.request, asked.keys, asked.size, asked.format)
	if err != nil {
		return nil, err
	}
	// A start without an answer may have succeeded, so the keys stay; maintenance removes them.
	if err := d.Start(ctx, staged); err != nil {
		return nil, err
	}
	return api.DeleteKeysResponse{JobIDs: []string{staged.ID}}, nil
}

// deletionAsk is a request with its keys as a file.
type deletionAsk struct {
	request erase.Request
	keys    io.ReaderAt
	size    int64
	format  frame.Format
}

func parseDeletion(r *http.Request, body io.ReaderAt, size int64, now window.Time) (deletionAsk, error) {
	if r.URL.RawQuery == "" {
		return decodeDeletion(body, size, now)
	}
	query, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return deletionAsk{}, fail(api.InvalidArgument, "parameters: %v", err)
	}
	err = checkParameters(query, []string{
		api.WorkspaceParameter, api.FeatureViewParameter, api.OnlineParameter, api.OfflineParameter,
		api.ForgetUntilParameter, api.DatasetsParameter, api.FormatParameter,
	})
	if err != nil {
		return deletionAsk{}, err
	}
	out := deletionAsk{keys: body, size: size, request: erase.Request{
		Workspace: query.Get(api.WorkspaceParameter), View: query.Get(api.FeatureViewParameter), Online: true, Offline: true,
	}}
	for _, flag := range []struct {
		name string
		into *bool
	}{
		{api.OnlineParameter, &out.request.Online}, {api.OfflineParameter, &out.request.Offline}, {api.DatasetsParameter, &out.request.Datasets},
	} {
		if !query.Has(flag.name) {
			continue
		}
		if *flag.into, err = strconv.ParseBool(query.Get(flag.name)); err != nil {
			return deletionAsk{}, fail(api.InvalidArgument, "%s is %q, want true or false", flag.name, query.Get(flag.name))
		}
	}
	if out.request.Forget, err = parseForget(query.Get(api.ForgetUntilParameter), now); err != nil {
		return deletionAsk{}, err
	}
	out.format, err = bodyFormat("the format of the keys", api.FormatParameter, query.Get(api.FormatParameter), r.Header.Get("Content-Type"), "")
	if err != nil {
		return deletionAsk{}, err
	}
	if size == 0 {
		return deletionAsk{}, fail(api.InvalidArgument, "keys are required: the request has no body")
	}
	return out, out.check()
}

func (a deletionAsk) check() error {
	switch {
	case a.request.Workspace == "":
		return fail(api.InvalidArgument, "workspace is required")
	case a.request.View == "":
		return fail(api.InvalidArgument, "feature_view is required")
	}
	return nil
}

// parseForget returns nil for no text.
func parseForget(text string, now window.Time) (*window.Time, error) {
	switch text {
	case "":
		return nil, nil
	case api.ForgetNow:
		return &now, nil
	}
	until, err := window.Parse(text)
	if err != nil {
		return nil, fail(api.InvalidArgument, "forget_until: %v; or now", err)
	}
	return &until, nil
}

// deletionStatus is materializationStatus of deletions alone.
func (s *Server) deletionStatus(ctx context.Context, body []byte) (any, error) {
	return s.status(ctx, body, ledger.Deletion)
}

// deletionError gives the errors that a person can act on their code.
func deletionError(err error) error {
	var answer *api.Error
	switch {
	case errors.As(err, &answer):
		return answer
	case errors.Is(err, registry.ErrNotFound), errors.Is(err, erase.ErrNotFound), errors.Is(err, forget.ErrNotFound):
		return fail(api.NotFound, "%v", err)
	case errors.Is(err, erase.ErrRefused), errors.Is(err, frame.ErrData), errors.Is(err, keyset.ErrTooMany), errors.Is(err, registry.ErrWorkspace):
		return fail(api.InvalidArgument, "%v", err)
	}
	return fmt.Errorf("deletion: %w", err)
}
