package activities

import (
	"context"
	"fmt"

	"go.temporal.io/sdk/activity"

	"github.com/tilery/tilery/pkg/materialize"
	"github.com/tilery/tilery/pkg/offline"
	"github.com/tilery/tilery/pkg/window"
)

// CommitRequest names the builds to make visible together.
type CommitRequest struct {
	Target
	Job       Job             `json:"job,omitzero"`
	Range     window.Interval `json:"range,omitzero"` // that spans the builds
	Manifests []string        `json:"manifests"`
	Overwrite bool            `json:"overwrite"`
	Online    bool            `json:"online"`
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
	ended := func(err error) { m.recordFailure(ctx, r.Target, r.Job, r.Range, err) }
	return alive(ctx, m.Retry, ended, func(ctx context.Context, report func(materialize.Progress)) (Commit, error) {
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
