package dataset

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/apache/arrow/go/v15/arrow"

	"github.com/tilery/tilery/pkg/bucket"
	"github.com/tilery/tilery/pkg/offline"
	"github.com/tilery/tilery/pkg/record"
	"github.com/tilery/tilery/pkg/registry"
	"github.com/tilery/tilery/pkg/retrieve"
)

// format of dataset.json.
const format = 1

// document is the content of dataset.json.
type document struct {
	Format int `json:"format"`
	Dataset
}

const documentName = "dataset.json"

// MaxListed bounds a page of List.
const MaxListed = 1000

// Store keeps datasets. It is safe for concurrent use, also by several processes.
type Store struct {
	bucket bucket.Bucket
	tables offline.FrozenStore
	root   string

	rowsPerShare int64
}

// New returns the store of the datasets in a bucket, in which tables keeps their rows.
func New(b bucket.Bucket, tables offline.FrozenStore) *Store {
	return &Store{bucket: b, tables: tables, root: "datasets/", rowsPerShare: rowsPerShare}
}

// WithRowsPerShare returns the store with another size of the shares that jobs join.
func (s *Store) WithRowsPerShare(rows int64) *Store {
	out := *s
	out.rowsPerShare = rows
	return &out
}

func (s *Store) workspace(name string) string { return s.root + name + "/" }

func (s *Store) folder(workspace, name string) string { return s.workspace(workspace) + name + "/" }

func (s *Store) documentKey(workspace, name string) string {
	return s.folder(workspace, name) + documentName
}

// saveFolder is where one save has its files.
func (s *Store) saveFolder(workspace, name, id string) string {
	return s.folder(workspace, name) + id + "/"
}

// Describe returns a dataset, or ErrNotFound.
func (s *Store) Describe(ctx context.Context, workspace, name string) (Dataset, error) {
	if err := checkName(workspace, name); err != nil {
		return Dataset{}, err
	}
	key := s.documentKey(workspace, name)
	data, err := s.bucket.Get(ctx, key)
	if errors.Is(err, bucket.ErrNotFound) {
		return Dataset{}, fmt.Errorf("dataset %q of workspace %s: %w", name, workspace, ErrNotFound)
	}
	if err != nil {
		return Dataset{}, fmt.Errorf("read %s: %w", key, err)
	}
	d, err := decode(data)
	if err == nil && (d.Workspace != workspace || d.Name != name) {
		err = fmt.Errorf("it describes dataset %q of workspace %q", d.Name, d.Workspace)
	}
	if err != nil {
		return Dataset{}, fmt.Errorf("decode %s: %w", key, err)
	}
	return d, nil
}

func decode(data []byte) (Dataset, error) {
	var header struct {
		Format int `json:"format"`
	}
	if err := json.Unmarshal(data, &header); err != nil {
		return Dataset{}, err
	}
	if header.Format != format {
		return Dataset{}, fmt.Errorf("format %d is not known to this version of tilery", header.Format)
	}
	var d document
	err := json.Unmarshal(data, &d)
	return d.Dataset, err
}

// List returns datasets whose names begin with prefix, at most limit and MaxListed. The
// order is that of their keys; after is the last name of the page before, or empty.
func (s *Store) List(ctx context.Context, workspace, prefix, after string, limit int) ([]Dataset, error) {
	if err := registry.CheckWorkspace(workspace); err != nil {
		return nil, err
	}
	for _, name := range []string{prefix, after} {
		if name != "" && !nameForm.MatchString(name) {
			return nil, fmt.Errorf("%w: no name begins with %q", ErrName, name)
		}
	}
	var out []Dataset
	for limit = min(limit, MaxListed); len(out) < limit; {
		name, err := s.nextName(ctx, workspace, prefix, after)
		if err != nil {
			return nil, fmt.Errorf("list datasets of %s: %w", workspace, err)
		}
		if name == "" {
			break
		}
		after = name
		d, err := s.Describe(ctx, workspace, name)
		if errors.Is(err, ErrNotFound) {
			continue // of a save that goes on or failed
		}
		if err != nil {
			return nil, err
		}
		out = append(out, d)
	}
	return out, nil
}

// nextName returns the first name of which there is any object; empty: there are no more.
func (s *Store) nextName(ctx context.Context, workspace, prefix, after string) (string, error) {
	within := s.workspace(workspace)
	if after != "" {
		after = within + after + "0" // the byte after the slash: past all its objects
	}
	for info, err := range s.bucket.List(ctx, within+prefix, after) {
		if err != nil {
			return "", err
		}
		name, _, _ := strings.Cut(strings.TrimPrefix(info.Key, within), "/")
		if nameForm.MatchString(name) {
			return name, nil
		}
	}
	return "", nil
}

// Read hands the rows of a dataset to fn, in order. A record is valid until fn returns.
// ErrNotFound: the dataset was deleted meanwhile.
func (s *Store) Read(ctx context.Context, d Dataset, fn func(arrow.Record) error) error {
	for _, f := range d.Files {
		err := s.readFile(ctx, d, f, fn)
		if errors.Is(err, offline.ErrCorrupt) {
			err = s.whyLost(ctx, d, err)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// ReadSpine hands the rows of the spine that a dataset was made of to fn, as Read does
// those of the dataset. A dataset without a spine has none.
func (s *Store) ReadSpine(ctx context.Context, d Dataset, fn func(arrow.Record) error) error {
	if d.Spine == nil {
		return nil
	}
	err := s.readSpine(ctx, *d.Spine, func(spine retrieve.Spine) error {
		return each(ctx, spine.Next, fn)
	})
	if errors.Is(err, bucket.ErrNotFound) {
		return s.whyLost(ctx, d, err)
	}
	return err
}

// whyLost returns ErrNotFound if a dataset was deleted or made anew while it was read,
// else the error that a part of it is missing.
func (s *Store) whyLost(ctx context.Context, d Dataset, missing error) error {
	if now, err := s.Describe(ctx, d.Workspace, d.Name); errors.Is(err, ErrNotFound) || err == nil && now.ID != d.ID {
		return fmt.Errorf("dataset %q of workspace %s was deleted while it was read: %w", d.Name, d.Workspace, ErrNotFound)
	}
	return missing
}

func (s *Store) readFile(ctx context.Context, d Dataset, f offline.FrozenFile, fn func(arrow.Record) error) (err error) {
	reader, err := s.tables.OpenFrozen(ctx, d.Table, record.ArrowSchema(d.Schema), f)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, reader.Close()) }()
	return each(ctx, reader.Next, fn)
}

// each hands the records that next returns, up to io.EOF, to fn.
func each(ctx context.Context, next func() (arrow.Record, error), fn func(arrow.Record) error) error {
	for {
		if err := ctx.Err(); err != nil {
			return err
		}
		rec, err := next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err == nil {
			err = fn(rec)
		}
		if err != nil {
			return err
		}
	}
}

// Delete removes a dataset. It is gone once its document is; what an error leaves of
// the rest is removed by maintenance.
func (s *Store) Delete(ctx context.Context, workspace, name string) (Dataset, error) {
	d, err := s.Describe(ctx, workspace, name)
	if err != nil {
		return Dataset{}, err
	}
	if err := s.bucket.Delete(ctx, s.documentKey(workspace, name)); err != nil {
		return Dataset{}, fmt.Errorf("delete dataset %q of workspace %s: %w", name, workspace, err)
	}
	return d, s.removeFiles(ctx, s.saveFolder(workspace, name, d.ID))
}

func (s *Store) removeFiles(ctx context.Context, prefix string) error {
	for info, err := range s.bucket.List(ctx, prefix, "") {
		if err == nil {
			err = s.bucket.Delete(ctx, info.Key)
		}
		if err != nil {
			return fmt.Errorf("delete files below %s: %w", prefix, err)
		}
	}
	return nil
}
