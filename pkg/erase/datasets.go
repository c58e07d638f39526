package erase

import (
	"context"
	"errors"
	"fmt"

	"github.com/apache/arrow/go/v15/arrow"

	"github.com/tilery/tilery/pkg/dataset"
	"github.com/tilery/tilery/pkg/registry"
)

// DatasetResult is a saved dataset that was made of the view.
type DatasetResult struct {
	Name    string `json:"name"`
	Removed bool   `json:"removed"`
}

// made is a dataset that was made of the view.
type made struct {
	dataset.Dataset
	columns [][]string // each time that the view was used: the columns with its join keys
}

// finishDatasets returns the datasets that may hold the keys, and removes those that do
// if that was asked for: the rows have one, or the spine that they were made of. Without
// that none is read, and all that were made of the view are named.
func (e *Engine) finishDatasets(ctx context.Context, s Staged, onProgress func(rows int64)) ([]DatasetResult, error) {
	all, err := e.madeOf(ctx, s)
	if err != nil {
		return nil, err
	}
	var out []DatasetResult
	if !s.Datasets {
		for _, d := range all {
			out = append(out, DatasetResult{Name: d.Name})
		}
		return out, nil
	}
	doomed, err := e.doomed(ctx, s, all, onProgress)
	if err != nil {
		return nil, err
	}
	for _, d := range doomed {
		is, err := e.Datasets.Describe(ctx, s.Workspace, d.Name)
		if err == nil && is.ID == d.ID {
			_, err = e.Datasets.Delete(ctx, s.Workspace, d.Name)
		}
		if err != nil && !errors.Is(err, dataset.ErrNotFound) {
			return nil, err
		}
		out = append(out, DatasetResult{Name: d.Name, Removed: true})
	}
	return out, nil
}

// save names one save of a dataset.
type save struct {
	Name string `json:"name"`
	ID   string `json:"id"`
}

// doomed returns the datasets that hold a key. It is noted before the first is removed, so
// that the receipt names them all whatever fails.
func (e *Engine) doomed(ctx context.Context, s Staged, all []made, onProgress func(rows int64)) ([]save, error) {
	out := []save{}
	if noted, err := e.get(ctx, s.object(datasetsObject), &out); noted || err != nil {
		return out, err
	}
	set, err := e.keys(ctx, s)
	if err != nil {
		return nil, err
	}
	search := &datasetSearch{engine: e, staged: s, keys: lookup(set), report: onProgress}
	for _, d := range all {
		held, err := search.holds(ctx, d)
		if err != nil {
			return nil, fmt.Errorf("look for the keys in dataset %s: %w", d.Name, err)
		}
		if held {
			out = append(out, save{d.Name, d.ID})
		}
	}
	return out, e.put(ctx, s.object(datasetsObject), out)
}

// madeOf returns the datasets that were made of the view.
func (e *Engine) madeOf(ctx context.Context, s Staged) ([]made, error) {
	var out []made
	serving := map[int64]*registry.Serving{}
	for after := ""; ; {
		page, err := e.Datasets.List(ctx, s.Workspace, "", after, dataset.MaxListed)
		if err != nil {
			return nil, err
		}
		for _, d := range page {
			columns, err := e.columnsOf(ctx, s, d, serving)
			if err != nil {
				return nil, fmt.Errorf("what dataset %s was made of: %w", d.Name, err)
			}
			if len(columns) > 0 {
				out = append(out, made{d, columns})
			}
		}
		if len(page) < dataset.MaxListed {
			return out, nil
		}
		after = page[len(page)-1].Name
	}
}

// columnsOf returns the columns of a dataset that hold the view's join keys; none, if it
// was not made of the view. A service has them by names of its own, and may use the view
// more than once. serving remembers the definitions of generations.
func (e *Engine) columnsOf(ctx context.Context, s Staged, d dataset.Dataset, serving map[int64]*registry.Serving) ([][]string, error) {
	if d.Request.View != "" {
		if d.Request.View != s.View {
			return nil, nil
		}
		var own []string
		for _, f := range s.JoinKeys {
			own = append(own, f.Name)
		}
		return [][]string{own}, nil
	}
	if serving[d.Generation] == nil {
		g, err := e.Views.Registry.Get(ctx, s.Workspace, d.Generation)
		if err != nil {
			return nil, err
		}
		if serving[d.Generation], err = e.Views.Registry.Serving(ctx, g); err != nil {
			return nil, err
		}
	}
	service, err := serving[d.Generation].ServingService(d.Request.Service)
	if err != nil {
		return nil, err
	}
	var out [][]string
	for _, used := range service.Views {
		if used.View.Name != s.View {
			continue
		}
		var columns []string
		for _, f := range s.JoinKeys {
			columns = append(columns, used.Keys[f.Name])
		}
		out = append(out, columns)
	}
	return out, nil
}

// errHeld ends the reading of a dataset at the first key.
var errHeld = errors.New("a key is there")

// datasetSearch looks for keys in datasets.
type datasetSearch struct {
	engine *Engine
	staged Staged
	keys   map[string]struct{}
	report func(rows int64)
	rows   int64
}

// holds reports whether the rows of a dataset or its spine have one of the keys.
func (l *datasetSearch) holds(ctx context.Context, d made) (bool, error) {
	look := func(rec arrow.Record) error {
		if l.rows += rec.NumRows(); l.report != nil {
			l.report(l.rows)
		}
		return l.look(rec, d.columns)
	}
	err := l.engine.Datasets.Read(ctx, d.Dataset, look)
	if err == nil {
		err = l.engine.Datasets.ReadSpine(ctx, d.Dataset, look)
	}
	switch {
	case errors.Is(err, errHeld):
		return true, nil
	case errors.Is(err, dataset.ErrNotFound):
		return false, nil // removed meanwhile
	}
	return false, err
}

// look returns errHeld if a row has a key in one of the groups of columns.
func (l *datasetSearch) look(rec arrow.Record, columns [][]string) error {
	for _, names := range columns {
		arrays := make([]arrow.Array, 0, len(names))
		for _, name := range names {
			if at := rec.Schema().FieldIndices(name); len(at) > 0 {
				arrays = append(arrays, rec.Column(at[0]))
			}
		}
		if len(arrays) < len(names) {
			continue // entities may be given by some of a service's keys
		}
		row, err := find(arrays, l.staged.JoinKeys, int(rec.NumRows()), l.keys)
		if err != nil {
			return err
		}
		if row >= 0 {
			return errHeld
		}
	}
	return nil
}
