package dataset

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/apache/arrow/go/v15/arrow"

	"github.com/tilery/tilery/pkg/bucket"
	"github.com/tilery/tilery/pkg/frame"
	"github.com/tilery/tilery/pkg/materialize"
	"github.com/tilery/tilery/pkg/offline"
	"github.com/tilery/tilery/pkg/record"
	"github.com/tilery/tilery/pkg/retrieve"
	"github.com/tilery/tilery/pkg/window"
)

// ShareRequest asks to join shares of a staged dataset, or to save it.
type ShareRequest struct {
	Staged  Staged
	Plan    Plan
	Job     string // who asks
	Attempt string // tells the files of two tries apart; of [A-Za-z0-9-]
	Join    retrieve.Options
	Now     window.Time // product time
}

// Share tells what one share has become. Its files are named in a document.
type Share struct {
	Document string `json:"document"` // key in the bucket
	Rows     int64  `json:"rows"`
}

// joined is the content of a share's document.
type joined struct {
	Files     []offline.FrozenFile `json:"files"` // relative to the table
	Rows      int64                `json:"rows"`
	Digest    string               `json:"digest"`
	Uncovered []retrieve.Uncovered `json:"uncovered,omitempty"`
}

// describeSpine returns the staged spine with its columns.
func (s *Store) describeSpine(ctx context.Context, staged Staged, parts []retrieve.Part) (spine Spine, err error) {
	spine = staged.Spine
	rows, err := s.openSpine(ctx, spine, retrieve.Known(parts, staged.Request.TimestampKey))
	if err != nil {
		return Spine{}, err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	spine.Schema = rows.Schema()
	if spine.Time, err = frame.Time(spine.Schema, staged.Request.TimestampKey); err != nil {
		return Spine{}, fmt.Errorf("%w: %w", retrieve.ErrSpine, err)
	}
	return spine, nil
}

// readSpine hands the rows of a spine, whose columns are known, to read.
func (s *Store) readSpine(ctx context.Context, spine Spine, read func(retrieve.Spine) error) (err error) {
	rows, err := s.openSpine(ctx, spine, spine.Schema)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	return read(retrieve.Spine{Schema: spine.Schema, Time: spine.Time, Next: rows.Next})
}

// table is where the rows of a plan's dataset are kept.
func (r ShareRequest) table(s *Store) string {
	return s.saveFolder(r.Staged.Workspace, r.Staged.Name, r.Staged.ID) + "table"
}

// JoinShare joins a share of the spine and keeps the result for Save. It may be
// repeated, also beside an earlier try that still runs.
func (s *Store) JoinShare(ctx context.Context, e *materialize.Engine, r ShareRequest, number int) (_ Share, err error) {
	if err := s.checkFree(ctx, r.Staged.Workspace, r.Staged.Name); err != nil {
		return Share{}, err
	}
	parts, err := retrieve.ResolveAt(ctx, e, r.Staged.names(), r.Plan.Generation, r.Plan.Views, r.Now)
	if err != nil {
		return Share{}, err
	}
	whole, err := s.describeSpine(ctx, r.Staged, parts)
	if err != nil {
		return Share{}, err
	}
	own := whole
	if r.Plan.Shares > 1 {
		own.Key, own.Format = r.Plan.spine(number), frame.Parquet
	}
	schema, err := retrieve.Result(whole.Schema, parts)
	if err != nil {
		return Share{}, err
	}
	name := fmt.Sprintf("share-%04d-%s", number, r.Attempt)
	files, err := s.tables.CreateFrozen(ctx, r.table(s)+"/"+name, record.ArrowSchema(schema))
	if err != nil {
		return Share{}, err
	}
	defer func() { err = errors.Join(err, files.Abort()) }()
	made, sum := joined{}, digest{schema: schema}
	err = s.readSpine(ctx, own, func(rows retrieve.Spine) error {
		report, err := retrieve.Join(ctx, r.Join, rows, parts, func(rec arrow.Record) error {
			if err := sum.add(rec); err != nil {
				return err
			}
			return files.Write(ctx, rec)
		})
		made.Uncovered = report.Uncovered
		return err
	})
	if err != nil {
		return Share{}, err
	}
	if made.Files, err = files.Files(ctx); err != nil {
		return Share{}, err
	}
	for i := range made.Files {
		made.Files[i].Path = name + "/" + made.Files[i].Path
	}
	made.Rows, made.Digest = sum.rows, sum.String()
	out := Share{Document: s.saveFolder(r.Staged.Workspace, r.Staged.Name, r.Staged.ID) + name + ".json", Rows: sum.rows}
	data, err := json.Marshal(made)
	if err != nil {
		return Share{}, fmt.Errorf("encode %s: %w", out.Document, err)
	}
	if err := s.bucket.Put(ctx, out.Document, data); err != nil {
		return Share{}, fmt.Errorf("keep what %s has become: %w", name, err)
	}
	return out, nil
}

// Save makes a dataset of all shares, in their order. It may be repeated: all tries
// return what was saved. ErrExists: another save took the name.
func (s *Store) Save(ctx context.Context, e *materialize.Engine, r ShareRequest, shares []Share) (Dataset, error) {
	d := Dataset{Workspace: r.Staged.Workspace, Name: r.Staged.Name, ID: r.Staged.ID, Table: r.table(s)}
	if made, ok := s.savedBy(ctx, d); ok {
		return made, nil
	}
	parts, err := retrieve.ResolveAt(ctx, e, r.Staged.names(), r.Plan.Generation, r.Plan.Views, r.Now)
	if err != nil {
		return Dataset{}, err
	}
	spine, err := s.describeSpine(ctx, r.Staged, parts)
	if err != nil {
		return Dataset{}, err
	}
	if d.Schema, err = retrieve.Result(spine.Schema, parts); err != nil {
		return Dataset{}, err
	}
	d.Origin = Origin{Request: r.Staged.Request, Spine: &spine, Generation: r.Plan.Generation, Views: r.Plan.Views, Job: r.Job}
	d.CreatedAt = r.Now
	if err := s.gather(ctx, &d, shares); err != nil {
		return Dataset{}, err
	}
	// A table that is there is that of another try, of the same shares.
	err = s.tables.CommitFrozen(ctx, d.Table, record.ArrowSchema(d.Schema), d.Files)
	if err != nil && !errors.Is(err, bucket.ErrExists) {
		return Dataset{}, err
	}
	return s.publish(ctx, d, r.Staged.StagedAt)
}

// gather adds up the shares.
func (s *Store) gather(ctx context.Context, d *Dataset, shares []Share) error {
	sum := digest{schema: d.Schema}
	uncovered := map[string]window.Set{}
	var views []string
	for _, share := range shares {
		data, err := s.bucket.Get(ctx, share.Document)
		if err != nil {
			return fmt.Errorf("read what a share has become: %w", err)
		}
		var made joined
		if err := json.Unmarshal(data, &made); err != nil {
			return fmt.Errorf("decode %s: %w", share.Document, err)
		}
		if err := sum.plus(made.Digest, made.Rows); err != nil {
			return fmt.Errorf("decode %s: %w", share.Document, err)
		}
		d.Files = append(d.Files, made.Files...)
		for _, u := range made.Uncovered {
			if _, known := uncovered[u.View]; !known {
				views = append(views, u.View)
			}
			uncovered[u.View] = window.NewSet(append(uncovered[u.View], u.Intervals...)...)
		}
	}
	for _, view := range views {
		d.Uncovered = append(d.Uncovered, retrieve.Uncovered{View: view, Intervals: uncovered[view]})
	}
	d.Rows, d.Digest = sum.rows, sum.String()
	return nil
}
