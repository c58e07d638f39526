package activities

import (
	"context"
	"errors"

	"github.com/tilery/tilery/pkg/materialize"
	"github.com/tilery/tilery/pkg/registry"
	"github.com/tilery/tilery/pkg/window"
)

// OnlineViews lists the stores of views whose online part follows an offline one,
// as of the newest generation, each with the generation of its definition; only
// those of t.View if it is given, and none if that is deleted.
func (m *Materialize) OnlineViews(ctx context.Context, t Target) ([]Target, error) {
	views, err := m.Engine.OnlineViews(ctx, t.Workspace, t.View)
	if errors.Is(err, registry.ErrNotFound) {
		skipped, goneErr := m.gone(ctx, t)
		if goneErr == nil && skipped != "" {
			return []Target{}, nil
		}
		err = errors.Join(err, goneErr)
	}
	if err != nil {
		return nil, translate(err)
	}
	out := make([]Target, len(views))
	for i, view := range views {
		out[i] = Target{t.Workspace, view.View.Name, view.Generation}
	}
	return out, nil
}

// ApplyRequest names the view whose online store is to follow.
type ApplyRequest struct {
	Target
	Job Job `json:"job,omitzero"`
}

// Applied tells what the online store holds.
type Applied struct {
	Version   int64        `json:"version"` // of the offline log
	Cells     int64        `json:"cells"`   // written by this call
	Watermark *window.Time `json:"watermark,omitempty"`
}

// ApplyOnline brings the view's online store to the head of its offline log.
func (m *Materialize) ApplyOnline(ctx context.Context, r ApplyRequest) (Applied, error) {
	ended := func(err error) { m.recordFailure(ctx, r.Target, r.Job, window.Interval{}, err) }
	return alive(ctx, m.Retry, ended, func(ctx context.Context, report func(materialize.Progress)) (Applied, error) {
		target, table, err := m.open(ctx, r.Target)
		if err != nil {
			return Applied{}, err
		}
		result, err := m.Engine.Serve(ctx, target, table, report)
		if err != nil {
			return Applied{}, err
		}
		return Applied{result.Version, result.Cells, result.Status.Watermark}, nil
	})
}
