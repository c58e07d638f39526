package activities

import (
	"context"

	"github.com/tilery/tilery/pkg/clock"
	"github.com/tilery/tilery/pkg/dataset"
	"github.com/tilery/tilery/pkg/erase"
	"github.com/tilery/tilery/pkg/ingest"
	"github.com/tilery/tilery/pkg/materialize"
	"github.com/tilery/tilery/pkg/offline"
)

// Materialize are the activities of batch materialization.
type Materialize struct {
	Engine *materialize.Engine
	Clock  clock.Clock
	Jobs   Jobs  // running ones; nil: every job has its turn at once
	Retry  Retry // how long work is tried
	// MaxJobsPerView is how many jobs of a view run at a time; 0: as many as there are.
	MaxJobsPerView int
	// Datasets, Frames and Deletions are swept by maintenance; nil: there are none.
	Datasets  *dataset.Store
	Frames    *ingest.Engine
	Deletions *erase.Engine
}

// Target names a view as of a generation of the definitions.
type Target struct {
	Workspace  string `json:"workspace"`
	View       string `json:"view"`
	Generation int64  `json:"generation"` // 0: the newest
}

func (m *Materialize) target(ctx context.Context, t Target) (*materialize.Target, error) {
	return m.Engine.Target(ctx, t.Workspace, t.Generation, t.View)
}

func (m *Materialize) open(ctx context.Context, t Target) (*materialize.Target, offline.Table, error) {
	target, err := m.target(ctx, t)
	if err != nil {
		return nil, nil, err
	}
	table, err := m.Engine.Table(ctx, target, m.Clock.Now())
	return target, table, err
}
