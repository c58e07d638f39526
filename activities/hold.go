package activities

import (
	"context"

	"github.com/tilery/tilery/pkg/window"
)

// HoldRequest names the windows of a job that a person cancelled.
type HoldRequest struct {
	Target
	Job     Job        `json:"job"`
	Windows window.Set `json:"windows"`
}

// HoldWindows keeps incremental jobs from filling those of the windows that are
// not committed.
func (m *Materialize) HoldWindows(ctx context.Context, r HoldRequest) error {
	target, err := m.target(ctx, r.Target)
	if err == nil {
		err = m.Engine.Hold(ctx, target, r.Windows, r.Job.ID, m.Clock.Now())
	}
	return translate(err)
}
