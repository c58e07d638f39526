package activities

import (
	"context"
	"fmt"

	"go.temporal.io/sdk/activity"

	"github.com/tilery/tilery/pkg/clock"
	"github.com/tilery/tilery/pkg/ingest"
	"github.com/tilery/tilery/pkg/materialize"
	"github.com/tilery/tilery/pkg/window"
)

// Ingest writes staged data frames into feature tables. The online store follows by
// ApplyOnline, as that of a view.
type Ingest struct {
	Engine *ingest.Engine
	Clock  clock.Clock
	Retry  Retry
}

// FrameRequest names a staged frame.
type FrameRequest struct {
	Workspace string `json:"workspace"`
	Table     string `json:"table"`
	Path      string `json:"path"` // df_path
}

// Ticket is the place of a frame in the order of ingests.
type Ticket = ingest.Ticket

// Accepted is a frame that has its place.
type Accepted struct {
	Ticket Ticket `json:"ticket"`
	Online bool   `json:"online"` // the table has an online store
}

// AcceptFrame gives a staged frame its place in the order of ingests. Accepted again, it
// has the same.
func (i *Ingest) AcceptFrame(ctx context.Context, r FrameRequest) (Accepted, error) {
	accepted, err := i.accept(ctx, r)
	return accepted, translate(err)
}

func (i *Ingest) accept(ctx context.Context, r FrameRequest) (Accepted, error) {
	f, err := i.Engine.Find(ctx, r.Workspace, r.Table, r.Path)
	if err != nil {
		return Accepted{}, err
	}
	ticket, err := i.Engine.Accept(ctx, f, i.Clock.Now())
	if err != nil {
		return Accepted{}, err
	}
	target, err := i.Engine.Tables.Target(ctx, ticket.Workspace, ticket.Generation, ticket.Table)
	if err != nil {
		return Accepted{}, err
	}
	return Accepted{ticket, target.View.Online}, nil
}

// BuildFrameRequest asks for the files of an accepted frame.
type BuildFrameRequest struct {
	Ticket Ticket `json:"ticket"`
	Job    Job    `json:"job,omitzero"`
	// Once ends the job with the first attempt that fails by itself.
	Once bool `json:"once,omitempty"`
}

// BuiltFrame refers to rows that are durable and invisible.
type BuiltFrame = ingest.Built

// BuildFrame reads a frame, judges every row of it and makes its files.
func (i *Ingest) BuildFrame(ctx context.Context, r BuildFrameRequest) (BuiltFrame, error) {
	ended := func(err error) { i.record(ctx, r.Ticket, r.Job, err) }
	return alive(ctx, i.retry(r.Once), ended, func(ctx context.Context, report func(materialize.Progress)) (BuiltFrame, error) {
		return i.Engine.Build(ctx, ingest.BuildRequest{
			Ticket: r.Ticket, Attempt: attemptName(activity.GetInfo(ctx)), Now: i.Clock.Now(),
			OnProgress: func(rows, spilled int64) { report(materialize.Progress{Rows: rows, SpilledBytes: spilled}) },
		})
	})
}

// CommitFrameRequest asks to make a built frame visible.
type CommitFrameRequest struct {
	Ticket   Ticket `json:"ticket"`
	Job      Job    `json:"job,omitzero"`
	Manifest string `json:"manifest"` // of BuiltFrame
	Once     bool   `json:"once,omitempty"`
}

// CommitFrame makes a built frame visible offline. One that is visible already stays as
// it is.
func (i *Ingest) CommitFrame(ctx context.Context, r CommitFrameRequest) (Commit, error) {
	info := activity.GetInfo(ctx)
	id := fmt.Sprintf("%s/%s/%d", info.WorkflowExecution.RunID, info.ActivityID, info.Attempt)
	ended := func(err error) {
		if err != nil {
			i.record(ctx, r.Ticket, r.Job, err)
		}
	}
	return alive(ctx, i.retry(r.Once), ended, func(ctx context.Context, _ func(materialize.Progress)) (Commit, error) {
		result, err := i.Engine.Commit(ctx, r.Ticket, r.Manifest, id, info.WorkflowExecution.ID, i.Clock.Now())
		return count(result), err
	})
}

// DiscardFrame removes a staged frame that was ingested, and what was made on the way.
func (i *Ingest) DiscardFrame(ctx context.Context, t Ticket) error {
	return translate(i.Engine.Discard(ctx, t.Frame))
}

func (i *Ingest) retry(once bool) Retry {
	retry := i.Retry
	if once {
		retry.Failures = 1
	}
	return retry
}

// record records how an attempt ended. What the ledger lacks of it, the log tells.
func (i *Ingest) record(ctx context.Context, t Ticket, job Job, failure error) {
	target := Target{t.Workspace, t.Table, t.Generation}
	recordAttempt(ctx, i.Engine.Tables.Ledger, target, job, window.Interval{}, failure)
}
