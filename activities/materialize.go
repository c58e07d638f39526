package activities

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"time"

	"go.temporal.io/sdk/activity"

	"github.com/tilery/tilery/pkg/clock"
	"github.com/tilery/tilery/pkg/feature"
	"github.com/tilery/tilery/pkg/materialize"
	"github.com/tilery/tilery/pkg/offline"
	"github.com/tilery/tilery/pkg/registry"
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
	// Gaps are what an incremental job fills; Range spans them then.
	Gaps window.Set `json:"gaps,omitempty"`
	// Skipped says why there is nothing to do.
	Skipped string `json:"skipped,omitempty"`
}

// Windows is how many windows the job has.
func (p Plan) Windows() int {
	if p.Gaps != nil {
		return p.Gaps.Count(time.Duration(p.Schedule))
	}
	return p.Range.Count(time.Duration(p.Schedule))
}

// Window returns one of them, from 0 on: the earliest first, but of gaps the
// newest, which serving waits for.
func (p Plan) Window(i int) window.Interval {
	schedule := time.Duration(p.Schedule)
	start := p.Range.Start.Add(time.Duration(i) * schedule)
	if p.Gaps != nil {
		start = p.Gaps.Latest(schedule, i+1)[0].Start
	}
	return window.Interval{Start: start, End: start.Add(schedule)}
}

// PlanMaterialize resolves and checks a job's input against the newest generation.
func (m *Materialize) PlanMaterialize(ctx context.Context, r PlanRequest) (Plan, error) {
	plan, err := m.plan(ctx, r)
	return plan, translate(err)
}

func (m *Materialize) plan(ctx context.Context, r PlanRequest) (Plan, error) {
	target, err := m.Engine.Target(ctx, r.Workspace, r.Generation, r.View)
	if err != nil {
		return Plan{}, err
	}
	plan, err := m.Engine.Plan(ctx, target, materialize.PlanRequest{
		Start: r.StartTime, End: r.EndTime, Online: r.Online, Offline: r.Offline, Overwrite: r.Overwrite,
	}, m.Clock.Now())
	if err != nil {
		return Plan{}, err
	}
	return Plan{
		Target:      Target{r.Workspace, r.View, target.Generation},
		Fingerprint: target.Fingerprint,
		Range:       plan.Range,
		Schedule:    feature.Duration(target.View.Schedule()),
		Online:      plan.Online,
	}, nil
}

// IncrementalRequest asks what an incremental job would do.
type IncrementalRequest struct {
	Target
	MaxWindows int `json:"max_windows"`
}

// PlanIncremental finds the newest gaps of a view. A view or workspace that is
// gone has none: its schedule is about to go as well.
func (m *Materialize) PlanIncremental(ctx context.Context, r IncrementalRequest) (Plan, error) {
	plan, err := m.planIncremental(ctx, r)
	if errors.Is(err, registry.ErrNotFound) {
		return Plan{Target: r.Target, Schedule: feature.Duration(time.Hour), Skipped: err.Error()}, nil
	}
	return plan, translate(err)
}

func (m *Materialize) planIncremental(ctx context.Context, r IncrementalRequest) (Plan, error) {
	target, err := m.Engine.Target(ctx, r.Workspace, r.Generation, r.View)
	if err != nil {
		return Plan{}, err
	}
	gaps, err := m.Engine.Gaps(ctx, target, m.Clock.Now(), r.MaxWindows)
	if err != nil {
		return Plan{}, err
	}
	plan := Plan{
		Target:      Target{r.Workspace, r.View, target.Generation},
		Fingerprint: target.Fingerprint,
		Schedule:    feature.Duration(target.View.Schedule()),
		Online:      target.View.Online,
		Gaps:        gaps,
	}
	if len(gaps) == 0 {
		plan.Skipped = "nothing is missing"
		return plan, nil
	}
	plan.Range = window.Interval{Start: gaps[0].Start, End: gaps[len(gaps)-1].End}
	return plan, nil
}

// BuildRequest names the windows to build.
type BuildRequest struct {
	Target
	Range window.Interval `json:"range"` // one or more whole windows
}

// Built refers to windows that are durable and invisible.
type Built struct {
	Range    window.Interval `json:"range"`
	Windows  int             `json:"windows"`
	Manifest string          `json:"manifest"` // key in the bucket
	Rows     int64           `json:"rows"`
	Bytes    int64           `json:"bytes"`
}

// BuildWindows computes the windows of a range.
func (m *Materialize) BuildWindows(ctx context.Context, r BuildRequest) (Built, error) {
	info := activity.GetInfo(ctx)
	// The server tells when an attempt started, so of two builds of a window,
	// wherever they ran, the one that read the sources later is known.
	readAt, attempt := window.FromTime(info.StartedTime), attemptName(info)
	return alive(ctx, func(ctx context.Context, report func(materialize.Progress)) (Built, error) {
		target, table, err := m.open(ctx, r.Target)
		if err != nil {
			return Built{}, err
		}
		builds, err := m.Engine.Build(ctx, target, table, materialize.BuildRequest{
			Range: r.Range, ReadAt: readAt, Attempt: attempt, OnProgress: report,
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
	info := activity.GetInfo(ctx)
	commit := offline.Commit{
		ID:  fmt.Sprintf("%s/%s/%d", info.WorkflowExecution.RunID, info.ActivityID, info.Attempt),
		Job: info.WorkflowExecution.ID, Generation: r.Generation, Overwrite: r.Overwrite, Online: r.Online,
	}
	return alive(ctx, func(ctx context.Context, report func(materialize.Progress)) (Commit, error) {
		_, table, err := m.open(ctx, r.Target)
		if err != nil {
			return Commit{}, err
		}
		for _, key := range r.Manifests {
			builds, err := m.Engine.LoadBuilds(ctx, key)
			if err != nil {
				return Commit{}, err
			}
			commit.Builds = append(commit.Builds, builds...)
			report(materialize.Progress{Rows: int64(len(commit.Builds))})
		}
		result, err := table.Commit(ctx, commit)
		if err != nil {
			return Commit{}, err
		}
		return count(result), nil
	})
}

func count(result offline.CommitResult) Commit {
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
	return out
}

// OnlineViews lists the views whose online store follows an offline one, as of
// the newest generation; only t.View if it is given.
func (m *Materialize) OnlineViews(ctx context.Context, t Target) ([]Target, error) {
	views, err := m.Engine.OnlineViews(ctx, t.Workspace, t.View)
	if err != nil {
		return nil, translate(err)
	}
	out := make([]Target, len(views))
	for i, view := range views {
		out[i] = Target{t.Workspace, view.View.Name, view.Generation}
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
	return alive(ctx, func(ctx context.Context, report func(materialize.Progress)) (Applied, error) {
		target, table, err := m.open(ctx, t)
		if err != nil {
			return Applied{}, err
		}
		result, err := m.Engine.Apply(ctx, target, table, report)
		if err != nil {
			return Applied{}, err
		}
		return Applied{result.Version, result.Cells, result.Status.Watermark}, nil
	})
}

func (m *Materialize) open(ctx context.Context, t Target) (*materialize.Target, offline.Table, error) {
	target, err := m.Engine.Target(ctx, t.Workspace, t.Generation, t.View)
	if err != nil {
		return nil, nil, err
	}
	table, err := m.Engine.Table(ctx, target, m.Clock.Now())
	return target, table, err
}
