package dataset

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/apache/arrow/go/v15/arrow"

	"github.com/tilery/tilery/pkg/bucket"
	"github.com/tilery/tilery/pkg/feature"
	"github.com/tilery/tilery/pkg/frame"
	"github.com/tilery/tilery/pkg/offline"
	"github.com/tilery/tilery/pkg/record"
	"github.com/tilery/tilery/pkg/window"
)

const (
	// leftoverAge is how long the files of a save stay that nothing names.
	leftoverAge = 24 * time.Hour
	// maxSaveTime leaves an hour between the end of a save and the removal of its files.
	maxSaveTime = leftoverAge - time.Hour
	// abortTimeout bounds the cleaning up after a save that failed.
	abortTimeout = 30 * time.Second
)

// Writer saves one dataset, for one goroutine. It is ended by Commit, and in any case
// by Abort.
type Writer struct {
	store   *Store
	dataset Dataset
	started time.Time
	table   offline.FrozenWriter
	digest  digest
	own     string // prefix of the keys that no other writer has
	ended   bool   // nothing is to be removed any more
}

// Create begins a dataset of a workspace. ErrExists is a name that is taken. Two may
// begin one name; the first who commits has it.
func (s *Store) Create(ctx context.Context, workspace, name string, schema feature.Schema) (*Writer, error) {
	d, err := s.begin(ctx, workspace, name)
	if err != nil {
		return nil, err
	}
	started, own := time.Now(), s.saveFolder(workspace, name, d.ID)
	d.Schema, d.Table = schema, own+"table"
	rows, err := s.tables.CreateFrozen(ctx, d.Table, record.ArrowSchema(schema))
	if err != nil {
		return nil, err
	}
	return &Writer{store: s, dataset: d, started: started, table: rows, digest: digest{schema: schema}, own: own}, nil
}

// begin gives a save its id.
func (s *Store) begin(ctx context.Context, workspace, name string) (Dataset, error) {
	if err := s.checkFree(ctx, workspace, name); err != nil {
		return Dataset{}, err
	}
	if err := s.sweepName(ctx, workspace, name, &sweep{before: time.Now().Add(-leftoverAge)}); err != nil {
		return Dataset{}, err
	}
	return Dataset{Workspace: workspace, Name: name, ID: strings.ToLower(rand.Text())}, nil
}

// checkFree returns ErrExists if the name is taken.
func (s *Store) checkFree(ctx context.Context, workspace, name string) error {
	switch _, err := s.Describe(ctx, workspace, name); {
	case err == nil:
		return fmt.Errorf("dataset %q of workspace %s: %w", name, workspace, ErrExists)
	case !errors.Is(err, ErrNotFound):
		return err
	}
	return nil
}

// Name is the dataset's.
func (w *Writer) Name() string { return w.dataset.Name }

// PutSpine keeps a copy of the spine, a file of that format.
func (w *Writer) PutSpine(ctx context.Context, file io.Reader, format frame.Format) (Spine, error) {
	return w.store.putSpine(ctx, w.dataset, file, format)
}

func (s *Store) putSpine(ctx context.Context, d Dataset, file io.Reader, format frame.Format) (Spine, error) {
	spine := Spine{Key: s.saveFolder(d.Workspace, d.Name, d.ID) + "spine." + string(format), Format: format}
	object, err := s.bucket.Create(ctx, spine.Key)
	if err != nil {
		return Spine{}, fmt.Errorf("keep the spine: %w", err)
	}
	defer object.Abort()
	sum := sha256.New()
	if spine.Bytes, err = io.Copy(io.MultiWriter(object, sum), file); err != nil {
		return Spine{}, fmt.Errorf("keep the spine as %s: %w", spine.Key, err)
	}
	if err := object.Close(); err != nil {
		return Spine{}, fmt.Errorf("keep the spine as %s: %w", spine.Key, err)
	}
	spine.SHA256 = hex.EncodeToString(sum.Sum(nil))
	return spine, nil
}

// Write appends rows, of the schema that the dataset was begun with.
func (w *Writer) Write(ctx context.Context, rec arrow.Record) error {
	if err := w.digest.add(rec); err != nil {
		return err
	}
	return w.table.Write(ctx, rec)
}

// Commit makes the dataset visible, made at a product time. ErrExists: another one of
// that name was faster. After bucket.ErrUnknown it may be there.
func (w *Writer) Commit(ctx context.Context, now window.Time, o Origin) (Dataset, error) {
	d := &w.dataset
	var err error
	if d.Files, err = w.table.Close(ctx); err != nil {
		return Dataset{}, err
	}
	d.CreatedAt, d.Origin, d.Rows, d.Digest = now, o, w.digest.rows, w.digest.String()
	out, err := w.store.publish(ctx, *d, w.started)
	w.ended = err == nil && out.Table == d.Table || errors.Is(err, bucket.ErrUnknown)
	return out, err
}

// publish makes a dataset visible whose rows are there, of a save that was begun at an
// instant of real time.
func (s *Store) publish(ctx context.Context, d Dataset, started time.Time) (Dataset, error) {
	for _, f := range d.Files {
		d.Bytes += f.Size
	}
	data, err := json.MarshalIndent(document{format, d}, "", " ")
	if err != nil {
		return Dataset{}, fmt.Errorf("encode dataset %q: %w", d.Name, err)
	}
	if taken := time.Since(started); taken > maxSaveTime {
		return Dataset{}, fmt.Errorf("save dataset %q: it took %v, files of saves are kept for %v only", d.Name, taken.Round(time.Minute), leftoverAge)
	}
	err = bucket.Claim(ctx, s.bucket, s.documentKey(d.Workspace, d.Name), data)
	switch {
	case errors.Is(err, bucket.ErrExists):
		if made, ok := s.savedBy(ctx, d); ok {
			return made, nil
		}
		return Dataset{}, fmt.Errorf("dataset %q of workspace %s: %w", d.Name, d.Workspace, ErrExists)
	case err != nil:
		return Dataset{}, fmt.Errorf("save dataset %q of workspace %s: %w", d.Name, d.Workspace, err)
	}
	return d, nil
}

// Abort removes what was written, as far as that goes: maintenance removes the rest.
// After Commit, and after another Abort, it does nothing.
func (w *Writer) Abort(ctx context.Context) error {
	if w.ended {
		return nil
	}
	w.ended = true
	err := w.table.Abort()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), abortTimeout)
	defer cancel()
	return errors.Join(err, w.store.removeFiles(ctx, w.own))
}
