package activities

import (
	"context"
	"fmt"
	"regexp"
	"strings"

	"go.temporal.io/sdk/activity"

	"github.com/tilery/tilery/pkg/materialize"
	"github.com/tilery/tilery/pkg/window"
)

// BuildRequest names the windows to build.
type BuildRequest struct {
	Target
	Job    Job             `json:"job,omitzero"`
	Range  window.Interval `json:"range"` // one or more whole windows
	OneRun bool            `json:"one_run,omitempty"`
}

// Built refers to windows that are durable and invisible.
type Built struct {
	Range    window.Interval `json:"range"`
	Windows  int             `json:"windows"`
	Manifest string          `json:"manifest"` // key in the bucket
	Rows     int64           `json:"rows"`
	Bytes    int64           `json:"bytes"`
	// Unrecorded says why the ledger does not know of the attempt.
	Unrecorded string `json:"unrecorded,omitempty"`
}

// BuildWindows computes the windows of a range.
func (m *Materialize) BuildWindows(ctx context.Context, r BuildRequest) (Built, error) {
	info := activity.GetInfo(ctx)
	// The server tells when an attempt started, so of two builds of a window,
	// wherever they ran, the one that read the sources later is known.
	readAt, attempt := window.FromTime(info.StartedTime), attemptName(info)
	unrecorded := ""
	ended := func(err error) { unrecorded = m.recordAttempt(ctx, r.Target, r.Job, r.Range, err) }
	built, err := alive(ctx, m.Retry, ended, func(ctx context.Context, report func(materialize.Progress)) (Built, error) {
		target, table, err := m.open(ctx, r.Target)
		if err != nil {
			return Built{}, err
		}
		builds, err := m.Engine.Build(ctx, target, table, materialize.BuildRequest{
			Range: r.Range, OneRun: r.OneRun, ReadAt: readAt, Attempt: attempt, OnProgress: report,
		})
		if err != nil {
			return Built{}, err
		}
		built := Built{Range: r.Range, Windows: len(builds)}
		for _, b := range builds {
			built.Rows += b.Rows
			built.Bytes += b.Bytes
		}
		built.Manifest, err = m.Engine.SaveBuilds(ctx, target, builds, attempt)
		return built, err
	})
	built.Unrecorded = unrecorded
	return built, err
}

// attemptName tells attempts apart in the names of files. Ids that a person
// chose may hold what a bucket's key may not; such an activity has a run of its
// own, so the name stays unique.
func attemptName(info activity.Info) string {
	run := info.WorkflowExecution.RunID
	if run == "" {
		run = info.ActivityRunID // started without a workflow
	}
	name := fmt.Sprintf("%s-%s-%d", strings.ReplaceAll(run, "-", ""), info.ActivityID, info.Attempt)
	return unfitForKeys.ReplaceAllString(name, "_")
}

var unfitForKeys = regexp.MustCompile(`[^A-Za-z0-9._-]`)
