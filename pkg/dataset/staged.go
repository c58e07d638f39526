package dataset

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/apache/arrow/go/v15/arrow"

	"github.com/tilery/tilery/pkg/feature"
	"github.com/tilery/tilery/pkg/frame"
	"github.com/tilery/tilery/pkg/materialize"
	"github.com/tilery/tilery/pkg/retrieve"
	"github.com/tilery/tilery/pkg/window"
)

// Staged is a save that has its spine in the bucket and no rows yet. It is a small
// document, so that it can travel to the process that makes them, by reference.
type Staged struct {
	Workspace string    `json:"workspace"`
	Name      string    `json:"name"`
	ID        string    `json:"id"`
	StagedAt  time.Time `json:"staged_at"` // real time
	Request   Request   `json:"request"`
	Spine     Spine     `json:"spine"` // without schema and time
}

// Stage keeps a spine for a dataset that Make makes within a day. ErrExists is a name
// that is taken; another may still take it until Make is done.
func (s *Store) Stage(ctx context.Context, workspace, name string, r Request, file io.Reader, format frame.Format) (Staged, error) {
	staged := Staged{StagedAt: time.Now().UTC(), Request: r}
	d, err := s.begin(ctx, workspace, name)
	if err != nil {
		return Staged{}, err
	}
	staged.Workspace, staged.Name, staged.ID = d.Workspace, d.Name, d.ID
	staged.Spine, err = s.putSpine(ctx, d, file, format)
	return staged, err
}

// Discard removes what was staged, unless it has become a dataset.
func (s *Store) Discard(ctx context.Context, staged Staged) error {
	d := Dataset{Workspace: staged.Workspace, Name: staged.Name, ID: staged.ID}
	if _, ok := s.savedBy(ctx, d); ok {
		return nil
	}
	return s.removeFiles(ctx, s.saveFolder(d.Workspace, d.Name, d.ID))
}

// Plan is what a staged dataset is made of, fixed before it is made, so that each
// attempt makes the same.
type Plan struct {
	Generation int64          `json:"generation"`
	Views      []retrieve.Pin `json:"views"`
}

// Plan pins the stores as of now.
func (s *Store) Plan(ctx context.Context, e *materialize.Engine, staged Staged, now window.Time) (Plan, error) {
	parts, err := retrieve.Resolve(ctx, e, staged.names(), now)
	if err != nil {
		return Plan{}, err
	}
	return Plan{Generation: generation(parts), Views: retrieve.Pins(parts)}, nil
}

func (st Staged) names() retrieve.Names {
	return retrieve.Names{Workspace: st.Workspace, Service: st.Request.Service, View: st.Request.View}
}

// generation is that of the definitions of all parts.
func generation(parts []retrieve.Part) (number int64) {
	for _, p := range parts {
		number = p.Target.Generation
	}
	return number
}

// MakeRequest asks to make a staged dataset.
type MakeRequest struct {
	Staged  Staged
	Plan    Plan
	Job     string // who asks
	Attempt string // tells the files of two tries apart; of [a-z0-9-]
	Join    retrieve.Options
	Now     window.Time // product time
}

// Make joins the staged spine and saves the result. It may be repeated, also beside an
// earlier try that still runs: one of them saves, and all return what was saved.
// ErrExists: another save took the name.
func (s *Store) Make(ctx context.Context, e *materialize.Engine, r MakeRequest) (_ Dataset, err error) {
	d := Dataset{Workspace: r.Staged.Workspace, Name: r.Staged.Name, ID: r.Staged.ID}
	if made, ok := s.savedBy(ctx, d); ok {
		return made, nil
	}
	if err := s.checkFree(ctx, d.Workspace, d.Name); err != nil {
		return Dataset{}, err
	}
	parts, err := retrieve.ResolveAt(ctx, e, r.Staged.names(), r.Plan.Generation, r.Plan.Views, r.Now)
	if err != nil {
		return Dataset{}, err
	}
	spine := r.Staged.Spine
	rows, err := s.openSpine(ctx, spine, knownColumns(r.Staged.Request.TimestampKey, parts))
	if err != nil {
		return Dataset{}, err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	spine.Schema = rows.Schema()
	if spine.Time, err = frame.Time(spine.Schema, r.Staged.Request.TimestampKey); err != nil {
		return Dataset{}, fmt.Errorf("%w: %w", retrieve.ErrSpine, err)
	}
	schema, err := retrieve.Result(spine.Schema, parts)
	if err != nil {
		return Dataset{}, err
	}
	table := s.saveFolder(d.Workspace, d.Name, d.ID) + "table-" + r.Attempt
	w, err := s.newWriter(ctx, d, r.Staged.StagedAt, table+"/", table, schema)
	if err != nil {
		return Dataset{}, err
	}
	defer func() { err = errors.Join(err, w.Abort(ctx)) }()
	report, err := retrieve.Join(ctx, r.Join, retrieve.Spine{Schema: spine.Schema, Time: spine.Time, Next: rows.Next}, parts,
		func(rec arrow.Record) error { return w.Write(ctx, rec) })
	if err != nil {
		return Dataset{}, err
	}
	return w.Commit(ctx, r.Now, Origin{
		Request: r.Staged.Request, Spine: &spine, Generation: r.Plan.Generation, Views: r.Plan.Views, Uncovered: report.Uncovered, Job: r.Job,
	})
}

// knownColumns are those of a spine whose types are not left to the file.
func knownColumns(timestampKey string, parts []retrieve.Part) feature.Schema {
	known := retrieve.Keys(parts)
	if _, ok := known.Lookup(timestampKey); timestampKey != "" && !ok {
		known = append(known, feature.Field{Name: timestampKey, Type: feature.Timestamp})
	}
	return known
}

// savedBy returns the dataset of that name if the save with d's id made it.
func (s *Store) savedBy(ctx context.Context, d Dataset) (Dataset, bool) {
	made, err := s.Describe(ctx, d.Workspace, d.Name)
	return made, err == nil && made.ID == d.ID
}
