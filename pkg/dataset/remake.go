package dataset

import (
	"context"
	"errors"
	"fmt"

	"github.com/apache/arrow/go/v15/arrow"

	"github.com/tilery/tilery/pkg/bucket"
	"github.com/tilery/tilery/pkg/feature"
	"github.com/tilery/tilery/pkg/frame"
	"github.com/tilery/tilery/pkg/materialize"
	"github.com/tilery/tilery/pkg/offline"
	"github.com/tilery/tilery/pkg/retrieve"
	"github.com/tilery/tilery/pkg/window"
)

var (
	// ErrDiffers is a dataset whose rows came out differently when they were made again.
	ErrDiffers = errors.New("rows differ")
	// ErrNotKept is a dataset that was made of something that is not kept.
	ErrNotKept = errors.New("cannot be made again")
)

// Remake makes a dataset's rows again: the same request of the same spine at the same
// versions of definitions and tables, and compares them with those that were saved,
// by digest. ErrDiffers: they are not the same. offline.ErrHistoryGone: files or
// versions that it needs are gone. ErrNotKept: it was not made of a spine and the
// offline store.
func (s *Store) Remake(ctx context.Context, e *materialize.Engine, o retrieve.Options, d Dataset, now window.Time) error {
	if d.Spine == nil || d.Request.FromSource {
		return fmt.Errorf("dataset %q: %w: only what was made of a spine and the offline store can be", d.Name, ErrNotKept)
	}
	names := retrieve.Names{Workspace: d.Workspace, Service: d.Request.Service, View: d.Request.View}
	parts, err := retrieve.ResolveAt(ctx, e, names, d.Generation, d.Views, now)
	if err != nil {
		return gone(d, err)
	}
	schema, err := retrieve.Result(d.Spine.Schema, parts)
	if err != nil {
		return err
	}
	made := digest{schema: schema}
	if err := s.join(ctx, o, *d.Spine, parts, made.add); err != nil {
		return gone(d, err)
	}
	if made.rows != d.Rows || made.String() != d.Digest {
		return fmt.Errorf("dataset %q: %w: %d rows with digest %s were saved, %d with %s were made again",
			d.Name, ErrDiffers, d.Rows, d.Digest, made.rows, made.String())
	}
	return nil
}

func (s *Store) join(ctx context.Context, o retrieve.Options, spine Spine, parts []retrieve.Part, fn func(arrow.Record) error) (err error) {
	rows, err := s.openSpine(ctx, spine, spine.Schema)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	_, err = retrieve.Join(ctx, o, retrieve.Spine{Schema: spine.Schema, Time: spine.Time, Next: rows.Next}, parts, fn)
	return err
}

// openSpine reads the copy of a spine, of which the types of some columns are known.
func (s *Store) openSpine(ctx context.Context, spine Spine, known feature.Schema) (*frame.Reader, error) {
	file, err := bucket.ReaderAt(ctx, s.bucket, spine.Key)
	if err != nil {
		return nil, fmt.Errorf("open the spine: %w", err)
	}
	rows, err := frame.Open(file, file.Size(), spine.Format, frame.Options{Known: known})
	if err != nil {
		return nil, fmt.Errorf("open the spine %s: %w", spine.Key, err)
	}
	return rows, nil
}

// gone adds to a loss of history what it means.
func gone(d Dataset, err error) error {
	if !errors.Is(err, offline.ErrHistoryGone) {
		return err
	}
	return fmt.Errorf("dataset %q cannot be made again, its saved rows stay readable; a longer retention of files, logs and stores "+
		"(section maintenance of the configuration) would have kept what it needs: %w", d.Name, err)
}
