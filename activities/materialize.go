package activities

import (
	"context"
	"fmt"
	"strings"

	"go.temporal.io/sdk/activity"

	"github.com/tilery/tilery/pkg/clock"
	"github.com/tilery/tilery/pkg/feature"
	"github.com/tilery/tilery/pkg/materialize"
	"github.com/tilery/tilery/pkg/offline"
	"github.com/tilery/tilery/pkg/window"
)

// Materialize are the activities of batch materialization.
type Materialize struct {
	Engine *materialize.Engine
	Clock  clock.Clock
}

// Target names a view as of a generation of the definitions.
type Target struct {
	Workspace  string `json:"workspace"`
	View       string `json:"view"`
	Generation int64  `json:"generation"` // 0: the newest
}

// PlanRequest asks what a job would do. Absent values mean the view's own.
type PlanRequest struct {
	Target
	StartTime *window.Time `json:"start_time,omitempty"`
	EndTime   *window.Time `json:"end_time,omitempty"`
	Online    *bool        `json:"online,omitempty"`
	Offline   *bool        `json:"offline,omitempty"`
	Overwrite bool         `json:"overwrite,omitempty"`
}

// Plan is what a job does, fixed at its start.
type Plan struct {
	Target
	Fingerprint string           `json:"fingerprint"`
	Range       window.Interval  `json:"range"`    // aligned to Schedule
	Schedule    feature.Duration `json:"schedule"` // length of a window
	Online      bool             `json:"online"`
}

// PlanMaterialize resolves and checks a job's input against the newest generation.
func (m *Materialize) PlanMaterialize(ctx context.Context, r PlanRequest) (Plan, error) {
	target, err := m.Engine.Target(ctx, r.Workspace, r.Generation, r.View)
	if err != nil {
		return Plan{}, translate(err)
	}
	plan, err := m.Engine.Plan(ctx, target, materialize.PlanRequest{
		Start: r.StartTime, End: r.EndTime, Online: r.Online, Offline: r.Offline, Overwrite: r.Overwrite,
	}, m.Clock.Now())
	if err != nil {
		return Plan{}, translate(err)
	}
	return Plan{
		Target:      Target{r.Workspace, r.View, target.Generation},
		Fingerprint: target.Fingerprint,
		Range:       plan.Range,
		Schedule:    feature.Duration(target.View.Schedule()),
		Online:      plan.Online,
	}, nil
}

// BuildRequest names a window to build.
type BuildRequest struct {
	Target
	Window window.Interval `json:"window"`
}

// Built refers to a window that is durable and invisible.
type Built struct {
	Window   window.Interval `json:"window"`
	Manifest string          `json:"manifest"` // key in the bucket
	Rows     int64           `json:"rows"`
	Bytes    int64           `json:"bytes"`
}

// BuildWindow computes one window.
func (m *Materialize) BuildWindow(ctx context.Context, r BuildRequest) (Built, error) {
	heart := startHeart(ctx)
	defer heart.stop()
	target, table, err := m.open(ctx, r.Target)
	if err != nil {
		return Built{}, translate(err)
	}
	info := activity.GetInfo(ctx)
	attempt := fmt.Sprintf("%s-%s-%d", strings.ReplaceAll(info.WorkflowExecution.RunID, "-", ""), info.ActivityID, info.Attempt)
	build, err := m.Engine.Build(ctx, target, table, materialize.BuildRequest{
		Window: r.Window, ReadAt: window.FromTime(info.StartedTime), Attempt: attempt, OnProgress: heart.report,
	})
	if err != nil {
		return Built{}, translate(err)
	}
	key, err := m.Engine.SaveBuild(ctx, target, build, attempt)
	if err != nil {
		return Built{}, translate(err)
	}
	return Built{r.Window, key, build.Rows, build.Bytes}, nil
}

// CommitRequest names the builds to make visible together.
type CommitRequest struct {
	Target
	Manifests []string `json:"manifests"`
	Overwrite bool     `json:"overwrite"`
	Online    bool     `json:"online"`
}

// Commit counts what became of the builds.
type Commit struct {
	Version    int64 `json:"version"`
	Committed  int   `json:"committed"`
	Done       int   `json:"done"`
	Superseded int   `json:"superseded"`
}

// CommitWindows makes builds visible.
func (m *Materialize) CommitWindows(ctx context.Context, r CommitRequest) (Commit, error) {
	heart := startHeart(ctx)
	defer heart.stop()
	_, table, err := m.open(ctx, r.Target)
	if err != nil {
		return Commit{}, translate(err)
	}
	info := activity.GetInfo(ctx)
	commit := offline.Commit{
		ID:  fmt.Sprintf("%s/%s/%d", info.WorkflowExecution.RunID, info.ActivityID, info.Attempt),
		Job: info.WorkflowExecution.ID, Generation: r.Generation, Overwrite: r.Overwrite, Online: r.Online,
	}
	for _, key := range r.Manifests {
		build, err := m.Engine.LoadBuild(ctx, key)
		if err != nil {
			return Commit{}, translate(err)
		}
		commit.Builds = append(commit.Builds, build)
	}
	result, err := table.Commit(ctx, commit)
	if err != nil {
		return Commit{}, translate(err)
	}
	out := Commit{Version: result.Version}
	for _, outcome := range result.Outcomes {
		switch outcome {
		case offline.Committed:
			out.Committed++
		case offline.Done:
			out.Done++
		case offline.Superseded:
			out.Superseded++
		}
	}
	return out, nil
}

// Applied tells what the online store holds.
type Applied struct {
	Version   int64        `json:"version"` // of the offline log
	Cells     int64        `json:"cells"`   // written by this call
	Watermark *window.Time `json:"watermark,omitempty"`
}

// ApplyOnline brings the view's online store to the head of its offline log.
func (m *Materialize) ApplyOnline(ctx context.Context, t Target) (Applied, error) {
	heart := startHeart(ctx)
	defer heart.stop()
	target, table, err := m.open(ctx, t)
	if err != nil {
		return Applied{}, translate(err)
	}
	result, err := m.Engine.Apply(ctx, target, table, heart.report)
	if err != nil {
		return Applied{}, translate(err)
	}
	return Applied{result.Version, result.Cells, result.Status.Watermark}, nil
}

func (m *Materialize) open(ctx context.Context, t Target) (*materialize.Target, offline.Table, error) {
	target, err := m.Engine.Target(ctx, t.Workspace, t.Generation, t.View)
	if err != nil {
		return nil, nil, err
	}
	table, err := m.Engine.Table(ctx, target, m.Clock.Now())
	return target, table, err
}
