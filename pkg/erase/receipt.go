package erase

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/tilery/tilery/pkg/bucket"
	"github.com/tilery/tilery/pkg/offline"
)

// StoreResult is what was done to one store.
type StoreResult struct {
	offline.Erased
	Cells    int64    `json:"cells"` // erased online
	Verified Verified `json:"verified"`
}

// Receipt says what was deleted. It names no key.
type Receipt struct {
	Staged   Staged          `json:"request"` // without Object
	Job      string          `json:"job"`
	DoneAt   time.Time       `json:"done_at"` // real time
	Stores   []StoreReceipt  `json:"stores"`
	Datasets []DatasetResult `json:"datasets,omitempty"` // that may hold the keys
	// OldVersionsUntil is when maintenance may remove the files that held the keys; its
	// run after that does. Nil: the offline store stays as it is.
	OldVersionsUntil *time.Time `json:"old_versions_until,omitempty"`
	// VacuumedAt is when it did.
	VacuumedAt *time.Time `json:"vacuumed_at,omitempty"`
}

// StoreReceipt is the part of one store.
type StoreReceipt struct {
	StorePlan
	StoreResult `json:"result"` // which has files and bytes of its own
}

// receiptFormat of the documents.
const receiptFormat = 1

type receiptDocument struct {
	Format int `json:"format"`
	Receipt
}

// vacuumed is the document beside a receipt that says when the old versions went.
type vacuumed struct {
	VacuumedAt time.Time `json:"vacuumed_at"`
}

const (
	receiptSuffix  = ".json"
	vacuumedSuffix = "-vacuumed.json"
)

func receiptsOf(workspace, view string) string { return receiptPrefix + workspace + "/" + view + "/" }

// Finish writes the receipt, with one result for each store of the plan, and removes
// what was staged. Repeated, it returns the receipt that is there. onProgress counts the
// rows of datasets that are looked through, and may be nil.
func (e *Engine) Finish(ctx context.Context, s Staged, p Plan, job string, results []StoreResult, onProgress func(rows int64)) (Receipt, error) {
	r, err := e.Receipt(ctx, s.Workspace, s.View, s.ID)
	if errors.Is(err, ErrNotFound) {
		r, err = e.finish(ctx, s, p, job, results, onProgress)
	}
	if err != nil {
		return Receipt{}, err
	}
	return r, e.Discard(ctx, s)
}

func (e *Engine) finish(ctx context.Context, s Staged, p Plan, job string, results []StoreResult, onProgress func(rows int64)) (Receipt, error) {
	if len(results) != len(p.Stores) {
		return Receipt{}, fmt.Errorf("deletion %s has %d stores and %d results", s.ID, len(p.Stores), len(results))
	}
	datasets, err := e.finishDatasets(ctx, s, onProgress)
	if err != nil {
		return Receipt{}, err
	}
	r := Receipt{Staged: s, Job: job, DoneAt: e.Options.withDefaults().Now().UTC(), Datasets: datasets}
	r.Staged.Object = ""
	for i, store := range p.Stores {
		r.Stores = append(r.Stores, StoreReceipt{store, results[i]})
		if store.Offline {
			// Files of builds that lost the keys to a deletion come later by up to a quarter.
			kept := e.Views.Maintenance.WithDefaults()
			until := r.DoneAt.Add(max(kept.Retention+kept.Retention/4, kept.LogRetention))
			r.OldVersionsUntil = &until
		}
	}
	data, err := json.MarshalIndent(receiptDocument{receiptFormat, r}, "", " ")
	if err != nil {
		return Receipt{}, fmt.Errorf("encode receipt %s: %w", s.ID, err)
	}
	err = e.Bucket.PutIfAbsent(ctx, receiptsOf(s.Workspace, s.View)+s.ID+receiptSuffix, data)
	if err != nil && !errors.Is(err, bucket.ErrExists) {
		return Receipt{}, fmt.Errorf("write receipt %s: %w", s.ID, err)
	}
	return e.Receipt(ctx, s.Workspace, s.View, s.ID)
}

var (
	idForm   = regexp.MustCompile(`^[0-9a-f]{32}$`)
	nameForm = regexp.MustCompile(`^[A-Za-z0-9_-]{1,128}$`)
)

// Receipt returns the receipt of a deletion; ErrNotFound.
func (e *Engine) Receipt(ctx context.Context, workspace, view, id string) (Receipt, error) {
	if !nameForm.MatchString(workspace) || !nameForm.MatchString(view) || !idForm.MatchString(id) {
		return Receipt{}, fmt.Errorf("deletion %q of view %q of workspace %q: %w", id, view, workspace, ErrNotFound)
	}
	key := receiptsOf(workspace, view) + id
	var d receiptDocument
	there, err := e.get(ctx, key+receiptSuffix, &d)
	switch {
	case err != nil:
		return Receipt{}, err
	case !there:
		return Receipt{}, fmt.Errorf("deletion %s of view %s of workspace %s: %w", id, view, workspace, ErrNotFound)
	case d.Format != receiptFormat:
		return Receipt{}, fmt.Errorf("receipt %s: format %d is not known to this version of tilery", id, d.Format)
	}
	var v vacuumed
	if there, err = e.get(ctx, key+vacuumedSuffix, &v); there {
		d.VacuumedAt = &v.VacuumedAt
	}
	return d.Receipt, err
}

// Receipts returns the receipts of a view, the newest first, at most limit.
func (e *Engine) Receipts(ctx context.Context, workspace, view string, limit int) ([]Receipt, error) {
	infos, _, err := e.listReceipts(ctx, workspace, view)
	if err != nil {
		return nil, err
	}
	slices.SortFunc(infos, func(a, b bucket.Info) int {
		return cmp.Or(b.ModTime.Compare(a.ModTime), cmp.Compare(a.Key, b.Key))
	})
	var out []Receipt
	for _, info := range infos[:max(0, min(limit, len(infos)))] {
		r, err := e.Receipt(ctx, workspace, view, receiptID(info))
		if err != nil {
			return nil, err
		}
		out = append(out, r)
	}
	return out, nil
}

func receiptID(info bucket.Info) string {
	name := info.Key[strings.LastIndexByte(info.Key, '/')+1:]
	return strings.TrimSuffix(name, receiptSuffix)
}

// listReceipts returns the receipts of a view, and the ids of those whose old versions are gone.
func (e *Engine) listReceipts(ctx context.Context, workspace, view string) (receipts []bucket.Info, gone map[string]bool, err error) {
	if !nameForm.MatchString(workspace) || !nameForm.MatchString(view) {
		return nil, nil, fmt.Errorf("receipts of view %q of workspace %q: %w", view, workspace, ErrNotFound)
	}
	gone = map[string]bool{}
	for info, err := range e.Bucket.List(ctx, receiptsOf(workspace, view), "") {
		if err != nil {
			return nil, nil, fmt.Errorf("list receipts of %s in %s: %w", view, workspace, err)
		}
		id, vacuumed := strings.CutSuffix(receiptID(info), strings.TrimSuffix(vacuumedSuffix, receiptSuffix))
		if vacuumed {
			gone[id] = true
		} else if idForm.MatchString(id) {
			receipts = append(receipts, info)
		}
	}
	return receipts, gone, nil
}
