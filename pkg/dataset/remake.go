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

// Remake makes a dataset's rows again: the same request, of the same spine if there was
// one, at the same versions of definitions and tables, and compares them with those
// that were saved, by digest. ErrDiffers: they are not the same. offline.ErrHistoryGone:
// files or versions that it needs are gone. ErrNotKept: it was made of the source.
func (s *Store) Remake(ctx context.Context, e *materialize.Engine, o retrieve.Options, d Dataset, now window.Time) error {
	if d.Request.FromSource {
		return fmt.Errorf("dataset %q: %w: it was made of the source, of which nothing is kept", d.Name, ErrNotKept)
	}
	names := retrieve.Names{Workspace: d.Workspace, Service: d.Request.Service, View: d.Request.View}
	parts, err := retrieve.ResolveAt(ctx, e, names, d.Generation, d.Views, now)
	if err != nil {
		return gone(d, err)
	}
	made := digest{schema: d.Schema}
	if d.Spine == nil {
		err = d.events(ctx, o, parts[0], nil, made.add)
	} else {
		err = s.readSpine(ctx, *d.Spine, func(rows retrieve.Spine) error {
			if d.Request.Entities {
				return d.events(ctx, o, parts[0], &rows, made.add)
			}
			_, err := retrieve.Join(ctx, o, rows, parts, made.add)
			return err
		})
	}
	if err != nil {
		return gone(d, err)
	}
	if made.rows != d.Rows || made.String() != d.Digest {
		return fmt.Errorf("dataset %q: %w: %d rows with digest %s were saved, %d with %s were made again",
			d.Name, ErrDiffers, d.Rows, d.Digest, made.rows, made.String())
	}
	return nil
}

// events makes again what was asked for without a spine.
func (d Dataset) events(ctx context.Context, o retrieve.Options, part retrieve.Part, entities *retrieve.Spine, fn func(arrow.Record) error) error {
	asked := retrieve.EventsRequest{Range: window.Between(d.Request.Start, d.Request.End), Entities: entities}
	_, err := retrieve.Events(ctx, o, part, asked, fn)
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
