package dataset

import (
	"context"
	"fmt"

	"github.com/apache/arrow/go/v15/arrow"

	"github.com/tilery/tilery/pkg/bucket"
	"github.com/tilery/tilery/pkg/feature"
	"github.com/tilery/tilery/pkg/frame"
	"github.com/tilery/tilery/pkg/materialize"
	"github.com/tilery/tilery/pkg/retrieve"
	"github.com/tilery/tilery/pkg/window"
)

// A staged spine is divided into shares of at most about so many rows, which are joined
// one by one, wherever there is room.
const (
	rowsPerShare = 1 << 20
	maxShares    = 64
)

// Plan is what a staged dataset is made of, fixed before it is made, so that each
// attempt makes the same.
type Plan struct {
	Generation int64          `json:"generation"`
	Views      []retrieve.Pin `json:"views"`
	Shares     int            `json:"shares"`           // that the spine was divided into; 1: it is joined as it is
	Spines     string         `json:"spines,omitempty"` // key prefix of their files
}

// Plan pins the stores as of now and divides the spine by the keys of the first view.
// To repeat it does no harm, as long as one plan is followed. report is told of the
// rows that were read.
func (s *Store) Plan(ctx context.Context, e *materialize.Engine, staged Staged, attempt string, now window.Time, report func(rows int64)) (Plan, error) {
	parts, err := retrieve.Resolve(ctx, e, staged.names(), now)
	if err != nil {
		return Plan{}, err
	}
	plan := Plan{Generation: retrieve.Generation(parts), Views: retrieve.Pins(parts)}
	spine, err := s.describeSpine(ctx, staged, parts)
	if err != nil {
		return Plan{}, err
	}
	if _, err := retrieve.Result(spine.Schema, parts); err != nil {
		return Plan{}, err
	}
	var d *retrieve.Divider
	err = s.readSpine(ctx, spine, func(rows retrieve.Spine) (err error) {
		d, err = retrieve.NewDivider(ctx, counted(rows, report), parts[0], s.rowsPerShare, maxShares)
		return err
	})
	if err != nil {
		return Plan{}, err
	}
	if plan.Shares = d.Shares(); plan.Shares == 1 {
		return plan, nil
	}
	plan.Spines = s.saveFolder(staged.Workspace, staged.Name, staged.ID) + "spines-" + attempt + "/"
	return plan, s.divide(ctx, spine, d, plan, report)
}

// counted returns the spine with a report of its rows as they are read.
func counted(spine retrieve.Spine, report func(rows int64)) retrieve.Spine {
	next, read := spine.Next, int64(0)
	spine.Next = func() (arrow.Record, error) {
		rec, err := next()
		if err == nil {
			read += rec.NumRows()
			report(read)
		}
		return rec, err
	}
	return spine
}

// divide writes each share of the spine as a file.
func (s *Store) divide(ctx context.Context, spine Spine, d *retrieve.Divider, plan Plan, report func(rows int64)) (err error) {
	shares := make([]*shareFile, plan.Shares)
	defer func() {
		for _, share := range shares {
			if share != nil {
				share.object.Abort()
			}
		}
	}()
	for i := range shares {
		if shares[i], err = s.newShareFile(ctx, plan.spine(i), spine.Schema); err != nil {
			return err
		}
	}
	err = s.readSpine(ctx, spine, func(rows retrieve.Spine) error {
		return d.Divide(ctx, counted(rows, report).Next, func(share int, rec arrow.Record) error { return shares[share].rows.Write(rec) })
	})
	for _, share := range shares {
		if err == nil {
			err = share.close()
		}
	}
	if err != nil {
		return fmt.Errorf("divide the spine: %w", err)
	}
	return nil
}

func (p Plan) spine(share int) string { return fmt.Sprintf("%s%04d.parquet", p.Spines, share) }

// shareFile is an upload of a share's rows.
type shareFile struct {
	object bucket.Writer
	rows   frame.Writer
}

func (s *Store) newShareFile(ctx context.Context, key string, schema feature.Schema) (*shareFile, error) {
	object, err := s.bucket.Create(ctx, key)
	if err != nil {
		return nil, fmt.Errorf("keep a share of the spine: %w", err)
	}
	rows, err := frame.NewWriter(object, frame.Parquet, schema)
	return &shareFile{object, rows}, err
}

func (f *shareFile) close() error {
	if err := f.rows.Close(); err != nil {
		return err
	}
	return f.object.Close()
}
