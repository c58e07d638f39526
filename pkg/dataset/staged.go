package dataset

import (
	"context"
	"io"
	"time"

	"github.com/tilery/tilery/pkg/frame"
	"github.com/tilery/tilery/pkg/retrieve"
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

// Stage keeps a spine for a dataset that is made of it within a day. ErrExists is a name
// that is taken; another may still take it until Save is done.
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

func (st Staged) names() retrieve.Names {
	return retrieve.Names{Workspace: st.Workspace, Service: st.Request.Service, View: st.Request.View}
}

// savedBy returns the dataset of that name if the save with d's id made it.
func (s *Store) savedBy(ctx context.Context, d Dataset) (Dataset, bool) {
	made, err := s.Describe(ctx, d.Workspace, d.Name)
	return made, err == nil && made.ID == d.ID
}
