package serve_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tilery/tilery/pkg/api"
	"github.com/tilery/tilery/pkg/erase"
	"github.com/tilery/tilery/pkg/feature"
	"github.com/tilery/tilery/pkg/forget"
	"github.com/tilery/tilery/pkg/frame"
	"github.com/tilery/tilery/pkg/ledger"
	"github.com/tilery/tilery/pkg/offline"
	"github.com/tilery/tilery/pkg/registry"
	"github.com/tilery/tilery/pkg/serve"
	"github.com/tilery/tilery/pkg/window"
)

const deletionID = "0123456789abcdef0123456789abcdef"

// eraser stages keys, keeps a receipt and a fence, and starts jobs.
type eraser struct {
	requests []erase.Request
	files    []string // "format content"
	started  []string // ids
	restored []string // "view end"
	fails    error    // to stage

	until      window.Time // of the fence
	notRestore error
}

func (e *eraser) Stage(_ context.Context, r erase.Request, file io.ReaderAt, size int64, format frame.Format) (erase.Staged, error) {
	if e.fails != nil {
		return erase.Staged{}, e.fails
	}
	data, err := io.ReadAll(io.NewSectionReader(file, 0, size))
	e.requests, e.files = append(e.requests, r), append(e.files, string(format)+" "+string(data))
	return erase.Staged{Request: r, ID: deletionID}, err
}

func (e *eraser) Receipt(_ context.Context, _, _, id string) (erase.Receipt, error) {
	if id != deletionID {
		return erase.Receipt{}, fmt.Errorf("%w: %s", erase.ErrNotFound, id)
	}
	at := start.Time()
	until := at.Add(7 * day)
	return erase.Receipt{
		Staged: erase.Staged{
			Request: erase.Request{Workspace: "prod", View: "spending", Online: true, Offline: true}, ID: deletionID, Digest: "d1", Keys: 3,
			JoinKeys: []feature.Field{{Name: "user", Type: feature.Int64}}, StagedAt: at,
		},
		Job: deletionID, DoneAt: at.Add(time.Minute),
		Stores: []erase.StoreReceipt{{
			StorePlan:   erase.StorePlan{Generation: 2, Fingerprint: "f", Online: true, Offline: true, Files: 9, Batches: 1},
			StoreResult: erase.StoreResult{Erased: offline.Erased{Version: 7, Files: 4, Rows: 100}, Cells: 3, Verified: erase.Verified{Rows: 900, Cells: 50}},
		}},
		Datasets: []erase.DatasetResult{{Name: "training"}}, OldVersionsUntil: &until,
	}, nil
}

func (e *eraser) Receipts(ctx context.Context, workspace, view string, limit int) ([]erase.Receipt, error) {
	one, err := e.Receipt(ctx, workspace, view, deletionID)
	return []erase.Receipt{one, one}[:min(limit, 2)], err
}

func (e *eraser) Lift(_ context.Context, workspace, view, id string) (forget.Fence, error) {
	if id != deletionID {
		return forget.Fence{}, fmt.Errorf("%w: %s", forget.ErrNotFound, id)
	}
	return forget.Fence{Workspace: workspace, View: view, ID: id, Until: e.until, Count: 3}, nil
}

// deleting is a server of the scene that deletes keys.
func (e *eraser) deleting(s *scene) http.Handler {
	return s.with(func(o *serve.Options) {
		o.Engine, o.Ledger = s.engine, ledger.New(s.bucket)
		o.Historical.Join.ScratchDir = s.t.TempDir()
		o.Deletion = &serve.DeletionOptions{
			Keys: e, Fences: e, MaxBytes: 2 << 20,
			Start: func(_ context.Context, staged erase.Staged) error {
				e.started = append(e.started, staged.ID)
				return nil
			},
			Restore: func(_ context.Context, lifted forget.Fence, end *window.Time) (string, error) {
				e.restored = append(e.restored, fmt.Sprint(lifted.View, " ", end))
				return "lift/" + lifted.ID, e.notRestore
			},
		}
	})
}

func send(server http.Handler, method, target, contentType, body string) (status int, answer string) {
	r := httptest.NewRequest(method, target, strings.NewReader(body))
	if contentType != "" {
		r.Header.Set("Content-Type", contentType)
	}
	w := httptest.NewRecorder()
	server.ServeHTTP(w, r)
	return w.Code, w.Body.String()
}

func TestKeysAreDeletedByFileOrByDocument(t *testing.T) {
	t.Parallel()
	e, s := &eraser{}, newScene(t)
	server := e.deleting(s)
	for _, c := range []struct{ target, contentType, body string }{
		{"?workspace=prod&feature_view=spending", "text/csv", "user\n1\n"},
		{"?workspace=prod&feature_view=spending&format=ndjson&online=false&datasets=true&forget_until=now", "", `{"user": 1}`},
		{"", "application/json", `{"workspace": "prod", "feature_view": "spending", "keys": {"user": [1, 9007199254740993], "city": ["a", null]},
			"offline": false, "forget_until": "2001-02-03"}`},
	} {
		status, body := send(server, http.MethodPost, api.DeleteKeysPath+c.target, c.contentType, c.body)
		require.Equal(t, []string{deletionID}, decode[api.DeleteKeysResponse](t, status, body).JobIDs)
	}
	now := s.options.Clock.Now()
	until, err := window.Parse("2001-02-03")
	require.NoError(t, err)
	require.Equal(t, []erase.Request{
		{Workspace: "prod", View: "spending", Online: true, Offline: true},
		{Workspace: "prod", View: "spending", Offline: true, Datasets: true, Forget: &now},
		{Workspace: "prod", View: "spending", Online: true, Forget: &until},
	}, e.requests)
	require.Equal(t, []string{
		"csv user\n1\n", `ndjson {"user": 1}`,
		"ndjson {\"city\":\"a\",\"user\":1}\n{\"city\":null,\"user\":9007199254740993}\n",
	}, e.files)
	require.Len(t, e.started, 3)
}

func TestDeletionsThatAreWrongStartNothing(t *testing.T) {
	t.Parallel()
	const prod = "?workspace=prod&feature_view=spending"
	for _, c := range []struct {
		target, contentType, body string
		code                      api.Code
		says                      string
	}{
		{"?feature_view=spending", "text/csv", "user\n1\n", api.InvalidArgument, "workspace is required"},
		{"?workspace=prod", "text/csv", "user\n1\n", api.InvalidArgument, "feature_view is required"},
		{prod, "text/csv", "", api.InvalidArgument, "keys are required: the request has no body"},
		{prod, "", "user\n1\n", api.InvalidArgument, "the format of the keys is not known"},
		{prod, "image/png", "user\n1\n", api.InvalidArgument, "name the format of the keys by the parameter format"},
		{prod + "&format=xml", "", "user\n1\n", api.InvalidArgument, `unknown format "xml"`},
		{prod + "&online=maybe", "text/csv", "user\n1\n", api.InvalidArgument, `online is "maybe", want true or false`},
		{prod + "&forget_until=soon", "text/csv", "user\n1\n", api.InvalidArgument, `forget_until: time "soon"`},
		{prod + "&view=spending", "text/csv", "user\n1\n", api.InvalidArgument, "unknown parameter view"},
		{prod, "text/csv", strings.Repeat("1\n", 1<<20+1), api.InvalidArgument, "request body is larger than 2097152 bytes"},
		{"", "", `{"workspace": "prod", "feature_view": "spending", "key": {"user": [1]}}`, api.InvalidArgument, `unknown field "key"`},
		{"", "", `{"workspace": "prod", "feature_view": "spending"}`, api.InvalidArgument, "keys are required: an array of values for each join key"},
		{"", "", `{"workspace": "prod", "feature_view": "s", "keys": {"a": [1], "b": []}}`, api.InvalidArgument, "a has 1 values and b has 0"},
		{"", "", `{"workspace": "prod", "keys": {"a": [1]}}`, api.InvalidArgument, "feature_view is required"},
		{"", "", `{} {}`, api.InvalidArgument, "want one document"},
		{"", "", strings.Repeat(" ", 1<<20+1), api.InvalidArgument, "send more keys as a file"},
	} {
		e := &eraser{}
		status, body := send(e.deleting(newScene(t)), http.MethodPost, api.DeleteKeysPath+c.target, c.contentType, c.body)
		requireError(t, http.StatusBadRequest, c.code, c.says, status, body)
		require.Empty(t, e.started)
	}
	for _, c := range []struct {
		err    error
		status int
		code   api.Code
	}{
		{fmt.Errorf("%w: no keys", erase.ErrRefused), 400, api.InvalidArgument},
		{fmt.Errorf("%w: line 3", frame.ErrData), 400, api.InvalidArgument},
		{fmt.Errorf("%w: spending", registry.ErrNotFound), 404, api.NotFound},
		{errors.New("the disk is full"), 500, api.Internal},
	} {
		e := &eraser{fails: c.err}
		status, body := send(e.deleting(newScene(t)), http.MethodPost, api.DeleteKeysPath+prod, "text/csv", "user\n1\n")
		says := c.err.Error()
		if c.code == api.Internal {
			says = "internal error"
		}
		requireError(t, c.status, c.code, says, status, body)
		require.Empty(t, e.started)
	}
}

func TestReceiptsAreShown(t *testing.T) {
	t.Parallel()
	server := (&eraser{}).deleting(newScene(t))
	get := func(query string) (int, string) {
		return send(server, http.MethodGet, api.DeletionReceiptsPath+"?"+query, "", "")
	}
	status, body := get("workspace=prod&feature_view=spending&job_id=" + deletionID)
	require.Equal(t, http.StatusOK, status, body)
	require.JSONEq(t, `{"receipts": [{"job_id": "`+deletionID+`", "workspace": "prod", "feature_view": "spending", "online": true, "offline": true,
		"join_keys": [{"name": "user", "type": "Int64"}], "keys": 3, "digest": "d1", "staged_at": "2001-01-04T00:00:00Z", "done_at": "2001-01-04T00:01:00Z",
		"stores": [{"generation": 2, "fingerprint": "f", "online": true, "offline": true, "version": 7, "files": 4, "rows": 100, "cells": 3,
			"verified_rows": 900, "verified_cells": 50}],
		"datasets": [{"name": "training", "removed": false}], "old_versions_until": "2001-01-11T00:00:00Z"}]}`, body)
	status, body = get("workspace=prod&feature_view=spending")
	require.Len(t, decode[api.DeletionReceiptsResponse](t, status, body).Receipts, 2)
	status, body = get("workspace=prod&feature_view=spending&limit=1")
	require.Len(t, decode[api.DeletionReceiptsResponse](t, status, body).Receipts, 1)

	status, body = get("workspace=prod&feature_view=spending&job_id=1")
	requireError(t, http.StatusNotFound, api.NotFound, "no such deletion: 1", status, body)
	status, body = get("workspace=prod")
	requireError(t, http.StatusBadRequest, api.InvalidArgument, "parameters workspace and feature_view are required", status, body)
	status, body = get("workspace=prod&feature_view=spending&limit=0")
	requireError(t, http.StatusBadRequest, api.InvalidArgument, `limit is "0", want 1 to 1000`, status, body)
}

func TestWhatIsLiftedIsMaterializedAgainUpToItsEnd(t *testing.T) {
	t.Parallel()
	e, s := &eraser{}, newScene(t)
	s.apply(0, nil)
	server := e.deleting(s)
	lift := func(more string) api.LiftDeletionResponse {
		status, body := send(server, http.MethodPost, api.LiftDeletionPath, "",
			`{"workspace": "prod", "feature_view": "spending", "job_id": "`+deletionID+`"`+more+`}`)
		return decode[api.LiftDeletionResponse](t, status, body)
	}
	e.until = start.Add(36 * time.Hour)
	require.Equal(t, api.LiftDeletionResponse{Until: e.until, Keys: 3, Job: "lift/" + deletionID}, lift(""))
	require.Empty(t, lift(`, "restore": false`).Job)
	e.until = window.MaxTime
	require.NotEmpty(t, lift("").Job)
	e.until = start.Add(-400 * day)
	require.Empty(t, lift("").Job, "the view has nothing before its start")
	require.Equal(t, []string{"spending 2001-01-06T00:00:00Z", "spending <nil>"}, e.restored)

	status, body := send(server, http.MethodPost, api.LiftDeletionPath, "", `{"workspace": "prod", "feature_view": "spending", "job_id": "1"}`)
	requireError(t, http.StatusNotFound, api.NotFound, "no such fence: 1", status, body)
	status, body = send(server, http.MethodPost, api.LiftDeletionPath, "", `{"workspace": "prod"}`)
	requireError(t, http.StatusBadRequest, api.InvalidArgument, "workspace, feature_view and job_id are required", status, body)

	e.until, e.notRestore = window.MaxTime, errors.New("Temporal is away")
	status, body = send(server, http.MethodPost, api.LiftDeletionPath, "", `{"workspace": "prod", "feature_view": "spending", "job_id": "`+deletionID+`"}`)
	requireError(t, http.StatusServiceUnavailable, api.Unavailable, "tilery materialize spending --overwrite does", status, body)
	require.Contains(t, s.log.String(), "Temporal is away")
}

func TestDeletionStatusShowsDeletionsAlone(t *testing.T) {
	t.Parallel()
	s, _ := recorded(t)
	server := (&eraser{}).deleting(s)
	job := ledger.Job{Workspace: "prod", View: "spending", ID: deletionID, Type: ledger.Deletion, CreatedAt: start}
	done := ledger.Record{Entry: ledger.Entry{Number: 1, State: ledger.Running}, At: start}
	require.NoError(t, ledger.New(s.bucket).Append(t.Context(), job, done))
	status, body := post(t, server, api.DeletionStatusPath, api.DeletionStatusRequest{Workspace: "prod", FeatureView: "spending", Verbose: true})
	table := decode[api.MaterializationStatusResponse](t, status, body)
	require.Len(t, table.Rows, 1)
	require.Equal(t, []string{"DELETION", "RUNNING", deletionID}, []string{table.Rows[0]["TYPE"], table.Rows[0]["STATUS"], table.Rows[0]["MATERIALIZATION_TASK"]})
}
