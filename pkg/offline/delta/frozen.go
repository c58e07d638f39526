package delta

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/apache/arrow/go/v15/arrow"

	"github.com/tilery/tilery/pkg/bucket"
	"github.com/tilery/tilery/pkg/offline"
)

// frozenFileBytes bounds the rows of a file of a frozen table, as Arrow holds them.
const frozenFileBytes = 1 << 30

// maxFrozenFiles bounds a frozen table, and with it the version that names its files.
const maxFrozenFiles = 10_000

var _ offline.FrozenStore = (*Store)(nil)

// frozenWriter implements offline.FrozenWriter: files one after the other, and at last
// the only version of the log.
type frozenWriter struct {
	store  *Store
	spec   offline.Spec // without keys and time
	schema string       // as Delta has it

	open  *fileWriter // nil: no rows since the last file
	bytes int64       // written to it, as Arrow holds them
	files []offline.FrozenFile
	err   error // of an earlier call; ends the table
}

// CreateFrozen implements offline.FrozenStore.
func (s *Store) CreateFrozen(ctx context.Context, path string, schema *arrow.Schema) (offline.FrozenWriter, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	w := &frozenWriter{store: s, spec: offline.Spec{Path: path, Schema: schema}}
	if err := w.prepare(); err != nil {
		return nil, fmt.Errorf("create frozen table %q: %w", path, err)
	}
	return w, nil
}

func (w *frozenWriter) prepare() error {
	if err := bucket.ValidateKey(w.spec.Path); err != nil {
		return err
	}
	if err := checkNames(w.spec.Schema); err != nil {
		return fmt.Errorf("%w: %w", offline.ErrColumns, err)
	}
	schema, err := newDeltaSchema(w.spec.Schema)
	if err != nil {
		return fmt.Errorf("%w: %w", offline.ErrColumns, err)
	}
	text, err := json.Marshal(schema)
	if err != nil {
		return fmt.Errorf("encode schema: %w", err)
	}
	w.schema = string(text)
	return nil
}

// Write implements offline.FrozenWriter. After an error the table cannot be closed.
func (w *frozenWriter) Write(ctx context.Context, rec arrow.Record) error {
	if w.err == nil {
		w.err = w.write(ctx, rec)
	}
	if w.err != nil {
		return fmt.Errorf("write frozen table %q: %w", w.spec.Path, w.err)
	}
	return nil
}

func (w *frozenWriter) write(ctx context.Context, rec arrow.Record) (err error) {
	switch {
	case !rec.Schema().Equal(w.spec.Schema):
		return fmt.Errorf("record has another schema than the table: %s", rec.Schema())
	case rec.NumRows() == 0:
		return nil
	}
	if w.bytes >= frozenFileBytes {
		if err := w.finish(ctx); err != nil {
			return err
		}
	}
	if w.open == nil {
		if w.open, err = newFileWriter(w.spec, w.store.opts, "", maxRowGroupBytes); err != nil {
			return err
		}
	}
	w.bytes += recordBytes(rec)
	return w.open.write(rec)
}

// finish uploads the open file.
func (w *frozenWriter) finish(ctx context.Context) error {
	if len(w.files) == maxFrozenFiles {
		return fmt.Errorf("more than %d files", maxFrozenFiles)
	}
	size, digest, err := w.open.end(0)
	if err != nil {
		return err
	}
	f := offline.FrozenFile{Path: fmt.Sprintf("part-%05d-%s.parquet", len(w.files), digest), Rows: w.open.stats.rows, Size: size}
	if f.Stats, err = w.open.stats.encode(); err != nil {
		return err
	}
	if err := w.open.upload(ctx, w.store.bucket, f.Path, size); err != nil {
		return err
	}
	w.files = append(w.files, f)
	err = w.open.discard()
	w.open, w.bytes = nil, 0
	return err
}

// Close implements offline.FrozenWriter.
func (w *frozenWriter) Close(ctx context.Context) ([]offline.FrozenFile, error) {
	return w.end(ctx, w.commit)
}

// Files implements offline.FrozenWriter.
func (w *frozenWriter) Files(ctx context.Context) ([]offline.FrozenFile, error) {
	return w.end(ctx, func(context.Context, []offline.FrozenFile) error { return nil })
}

// end uploads what is open, and does with the files what makes them of use.
func (w *frozenWriter) end(ctx context.Context, use func(context.Context, []offline.FrozenFile) error) ([]offline.FrozenFile, error) {
	if w.err == nil && w.open != nil {
		w.err = w.finish(ctx)
	}
	if w.err == nil {
		w.err = use(ctx, w.files)
	}
	if w.err != nil {
		err := fmt.Errorf("close frozen table %q: %w", w.spec.Path, w.err)
		return nil, errors.Join(err, w.Abort())
	}
	return w.files, w.Abort()
}

// CommitFrozen implements offline.FrozenStore.
func (s *Store) CommitFrozen(ctx context.Context, path string, schema *arrow.Schema, files []offline.FrozenFile) error {
	w := &frozenWriter{store: s, spec: offline.Spec{Path: path, Schema: schema}}
	err := w.prepare()
	if err == nil && len(files) > maxFrozenFiles {
		err = fmt.Errorf("%d files, at most %d are allowed", len(files), maxFrozenFiles)
	}
	if err == nil {
		err = w.commit(ctx, files)
	}
	if err != nil {
		return fmt.Errorf("create frozen table %q: %w", path, err)
	}
	return nil
}

// commit writes the only version.
func (w *frozenWriter) commit(ctx context.Context, files []offline.FrozenFile) error {
	now, id := w.store.opts.Now().UnixMilli(), newUUID()
	actions := []map[string]any{
		{"commitInfo": commitInfo{
			Timestamp: now, Operation: "CREATE TABLE AS SELECT", OperationParameters: map[string]string{},
			EngineInfo: engineInfo, Tilery: &tileryInfo{CommitID: id, Lines: 3 + len(files)},
		}},
		{"protocol": protocol{MinReaderVersion: 1, MinWriterVersion: 2}},
		{"metaData": metaData{
			ID: id, Format: tableFormat{Provider: "parquet", Options: map[string]string{}}, SchemaString: w.schema,
			PartitionColumns: []string{}, Configuration: map[string]string{}, CreatedTime: now,
		}},
	}
	for _, f := range files {
		actions = append(actions, map[string]any{"add": addFile{
			Path: f.Path, PartitionValues: map[string]string{}, Size: f.Size, ModificationTime: now, DataChange: true, Stats: f.Stats,
		}})
	}
	data, err := encodeLines(actions)
	if err != nil {
		return err
	}
	return bucket.Claim(ctx, w.store.bucket, versionKey(w.spec.Path, 0), data)
}

// Abort implements offline.FrozenWriter.
func (w *frozenWriter) Abort() error {
	if w.err == nil {
		w.err = errWriterClosed
	}
	if w.open == nil {
		return nil
	}
	err := w.open.discard()
	w.open = nil
	return err
}

// OpenFrozen implements offline.FrozenStore.
func (s *Store) OpenFrozen(ctx context.Context, path string, schema *arrow.Schema, f offline.FrozenFile) (offline.Reader, error) {
	spec := offline.Spec{Path: path, Schema: schema}
	r, err := openReader(ctx, s.bucket, spec, offline.File{Path: f.Path, Size: f.Size, Rows: f.Rows}, offline.Selection{})
	if err != nil {
		return nil, fmt.Errorf("open file %s of frozen table %q: %w", f.Path, path, err)
	}
	return r, nil
}
