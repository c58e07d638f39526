package erase_test

import (
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/stretchr/testify/require"

	"github.com/tilery/tilery/pkg/bucket/buckettest"
	"github.com/tilery/tilery/pkg/erase"
	"github.com/tilery/tilery/pkg/materialize"
	"github.com/tilery/tilery/pkg/offline"
	"github.com/tilery/tilery/pkg/online"
	"github.com/tilery/tilery/pkg/record"
)

// repeat makes a step again while an injected fault is what it fails of.
func repeat[T any](s *scene, step func() (T, error)) T {
	s.t.Helper()
	for {
		out, err := step()
		if !errors.Is(err, buckettest.ErrInjected) {
			require.NoError(s.t, err)
			return out
		}
	}
}

// deletion is one that is under way.
type deletion struct {
	*scene
	staged  erase.Staged
	plan    erase.Plan
	results []erase.StoreResult
}

func (s *scene) plan(staged erase.Staged) *deletion {
	s.t.Helper()
	d := &deletion{scene: s, staged: staged}
	d.plan = repeat(s, func() (erase.Plan, error) { return s.engine.Plan(s.t.Context(), staged, s.product(), nil) })
	d.results = make([]erase.StoreResult, len(d.plan.Stores))
	return d
}

func (d *deletion) rewrite(store int) {
	d.t.Helper()
	for batch := range d.plan.Stores[store].Batches {
		repeat(d.scene, func() (erase.Rewritten, error) {
			return d.engine.Rewrite(d.t.Context(), d.staged, d.plan, store, batch, d.product(), nil)
		})
	}
}

func (d *deletion) eraseOffline(store int) {
	d.t.Helper()
	d.results[store].Erased = repeat(d.scene, func() (offline.Erased, error) {
		return d.engine.EraseOffline(d.t.Context(), d.staged, d.plan, store, "job", d.product(), nil)
	})
}

func (d *deletion) eraseOnline(store int) {
	d.t.Helper()
	d.results[store].Cells = repeat(d.scene, func() (int64, error) {
		return d.engine.EraseOnline(d.t.Context(), d.staged, d.plan, store, d.product(), nil)
	})
}

func (d *deletion) sweep(store int) {
	d.t.Helper()
	repeat(d.scene, func() (int64, error) {
		return d.engine.SweepOnline(d.t.Context(), d.staged, d.plan, store, d.product(), nil)
	})
}

func (d *deletion) verify(store int) (erase.Verified, error) {
	return d.engine.Verify(d.t.Context(), d.staged, d.plan, store, d.results[store].Version, d.product(), nil)
}

// erase goes through all steps up to the sweep, as the job does.
func (d *deletion) erase() {
	d.t.Helper()
	for store := range d.plan.Stores {
		d.rewrite(store)
		d.eraseOffline(store)
		d.eraseOnline(store)
	}
	for store := range d.plan.Stores {
		d.sweep(store)
	}
}

func (d *deletion) finish() erase.Receipt {
	d.t.Helper()
	for store := range d.plan.Stores {
		d.results[store].Verified = repeat(d.scene, func() (erase.Verified, error) { return d.verify(store) })
	}
	return repeat(d.scene, func() (erase.Receipt, error) {
		return d.engine.Finish(d.t.Context(), d.staged, d.plan, "job", d.results, nil)
	})
}

// delete deletes the keys of users.
func (s *scene) delete(r erase.Request, users ...int) erase.Receipt {
	s.t.Helper()
	d := s.plan(repeat(s, func() (erase.Staged, error) {
		r.Workspace, r.View = "prod", "spending"
		file := s.csv(users...)
		return s.engine.Stage(s.t.Context(), r, strings.NewReader(file), int64(len(file)), "csv")
	}))
	d.erase()
	return d.finish()
}

// both is a deletion from both stores.
var both = erase.Request{Online: true, Offline: true}

// contents is what a store has: rows by their content, and cells by their keys.
type contents struct {
	rows  map[string][]string // by encoded join keys
	cells map[string][]string
}

func (s *scene) contents(t *materialize.Target) contents {
	s.t.Helper()
	c := contents{rows: map[string][]string{}, cells: map[string][]string{}}
	table := s.table(t)
	snapshot, err := table.Snapshot(s.t.Context())
	require.NoError(s.t, err)
	fields := t.View.JoinKeys()
	for _, f := range snapshot.Files {
		r, err := table.OpenFile(s.t.Context(), f)
		require.NoError(s.t, err)
		for {
			rec, err := r.Next()
			if errors.Is(err, io.EOF) {
				break
			}
			require.NoError(s.t, err)
			keys, err := record.NewKeyEncoder(fields, rec.Columns()[:len(fields)])
			require.NoError(s.t, err)
			for row := range int(rec.NumRows()) {
				text := f.Partition
				for _, column := range rec.Columns() {
					text += "|" + column.ValueStr(row)
				}
				key := string(keys.Append(nil, row))
				c.rows[key] = append(c.rows[key], text)
			}
		}
		require.NoError(s.t, r.Close())
	}
	for _, item := range s.cellsOf(t) {
		text := fmt.Sprintf("%d %x %t", item.Key.Block, item.Cell.Value, item.Cell.Tombstone)
		if item.Key.Kind == online.KindRow && !item.Cell.Tombstone {
			row, err := online.DecodeRow(item.Cell.Value)
			require.NoError(s.t, err)
			text = fmt.Sprintf("%s %x", row.Time, row.Values) // whatever version it came with
		}
		c.cells[string(item.Key.Entity)] = append(c.cells[string(item.Key.Entity)], text)
	}
	return c
}

// cellsOf returns the cells of the filling that is read.
func (s *scene) cellsOf(t *materialize.Target) (out []online.Item) {
	s.t.Helper()
	status, _, _, err := online.ReadStatus(s.t.Context(), s.online, t.Store())
	require.NoError(s.t, err)
	for item, err := range s.online.Scan(s.t.Context(), t.CellStore(status.Epoch)) {
		require.NoError(s.t, err)
		out = append(out, item)
	}
	return out
}

// without returns the contents without those of some keys.
func (c contents) without(keys map[string]bool) contents {
	out := contents{rows: map[string][]string{}, cells: map[string][]string{}}
	for key, rows := range c.rows {
		if !keys[key] {
			out.rows[key] = rows
		}
	}
	for key, cells := range c.cells {
		if !keys[key] {
			out.cells[key] = cells
		}
	}
	return out
}

func (s *scene) allContents() (out []contents) {
	for _, t := range s.targets() {
		out = append(out, s.contents(t))
	}
	return out
}

func withoutAll(all []contents, keys map[string]bool) (out []contents) {
	for _, c := range all {
		out = append(out, c.without(keys))
	}
	return out
}
