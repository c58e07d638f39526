package erase

import (
	"context"
	"errors"
	"fmt"
	"io"
	"runtime"
	"sync/atomic"

	"github.com/apache/arrow/go/v15/arrow"
	"golang.org/x/sync/errgroup"

	"github.com/tilery/tilery/pkg/feature"
	"github.com/tilery/tilery/pkg/keyset"
	"github.com/tilery/tilery/pkg/offline"
	"github.com/tilery/tilery/pkg/record"
	"github.com/tilery/tilery/pkg/window"
)

// maxReaders bounds the files that a verification reads at once.
const maxReaders = 4

// Verified counts what a verification has looked at.
type Verified struct {
	Rows  int64 `json:"rows"`
	Cells int64 `json:"cells"`
}

// Verify scans every row and cell of a store for the keys, by no index and no statistics.
// ErrFound says where one is. erased is the version of the erasure, 0 if offline stays.
// What was committed after it may hold the keys, and so may cells of a later version.
// Progress counts rows and cells.
func (e *Engine) Verify(ctx context.Context, s Staged, p Plan, number int, erased int64, now window.Time, onProgress func(rows int64)) (Verified, error) {
	st, err := e.open(ctx, s, p, number, now)
	if err != nil || st == nil {
		return Verified{}, err
	}
	v := &verification{store: st, keys: lookup(st.keys), report: onProgress}
	if st.plan.Offline && st.table != nil {
		if erased < 1 {
			return Verified{}, fmt.Errorf("verify table %s: its rows were not erased before", st.target.Store())
		}
		if err := v.readTable(ctx, erased); err != nil {
			return Verified{}, fmt.Errorf("verify table %s at version %d: %w", st.target.Store(), erased, err)
		}
	}
	if st.plan.Online {
		if err := e.readCells(ctx, s, v); err != nil {
			return Verified{}, fmt.Errorf("verify cells of %s: %w", st.target.Store(), err)
		}
	}
	return Verified{Rows: v.rows.Load(), Cells: v.cells.Load()}, nil
}

// lookup is another form of a set than the one that the erasure goes by.
func lookup(keys *keyset.Set) map[string]struct{} {
	out := make(map[string]struct{}, keys.Len())
	for i := range keys.Len() {
		out[string(keys.Key(i))] = struct{}{}
	}
	return out
}

type verification struct {
	store       *store
	keys        map[string]struct{}
	rows, cells atomic.Int64
	report      func(rows int64) // of one caller at a time
}

func (v *verification) progress() {
	if v.report != nil {
		v.report(v.rows.Load() + v.cells.Load())
	}
}

func (v *verification) readTable(ctx context.Context, version int64) error {
	snapshot, err := v.store.table.SnapshotAt(ctx, version)
	if err != nil {
		return err
	}
	group, groupCtx := errgroup.WithContext(ctx)
	group.SetLimit(min(runtime.GOMAXPROCS(0), maxReaders))
	for _, f := range snapshot.Files {
		if groupCtx.Err() != nil {
			break
		}
		group.Go(func() error { return v.readFile(groupCtx, f) })
		v.progress()
	}
	err = group.Wait()
	v.progress()
	return err
}

func (v *verification) readFile(ctx context.Context, f offline.File) (err error) {
	r, err := v.store.table.OpenFile(ctx, f)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, r.Close()) }()
	joinKeys := v.store.target.View.JoinKeys()
	for before := int64(0); ; {
		rec, err := r.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		row, err := find(rec.Columns()[:len(joinKeys)], joinKeys, int(rec.NumRows()), v.keys)
		if err != nil {
			return err
		}
		if row >= 0 {
			return fmt.Errorf("%w: row %d of file %s is one", ErrFound, before+int64(row), f.Path)
		}
		before += rec.NumRows()
		v.rows.Add(rec.NumRows())
	}
}

// find returns the first row whose key is among keys; -1 if there is none.
func find(columns []arrow.Array, fields []feature.Field, rows int, keys map[string]struct{}) (int, error) {
	encoder, err := record.NewKeyEncoder(fields, columns)
	if err != nil {
		return 0, err
	}
	var key []byte
	for row := range rows {
		key = encoder.Append(key[:0], row)
		if _, ok := keys[string(key)]; ok {
			return row, nil
		}
	}
	return -1, nil
}

// cellsPerReport is how many cells are read between two reports.
const cellsPerReport = 10_000

func (e *Engine) readCells(ctx context.Context, s Staged, v *verification) error {
	var erasure onlineErasure
	erased, err := e.get(ctx, s.object(onlineObject(v.store.number)), &erasure)
	if err == nil && !erased {
		err = errors.New("they were not erased before")
	}
	if err != nil {
		return err
	}
	return e.Views.ScanCells(ctx, v.store.target, func(entity []byte, version uint64) error {
		if _, ok := v.keys[string(entity)]; ok && version <= uint64(erasure.Version) {
			return fmt.Errorf("%w: one has a cell of version %d", ErrFound, version)
		}
		if v.cells.Add(1)%cellsPerReport == 0 {
			v.progress()
		}
		return nil
	})
}
