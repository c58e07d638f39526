package delta

import (
	"context"
	"errors"
	"fmt"

	"github.com/tilery/tilery/pkg/bucket"
	"github.com/tilery/tilery/pkg/keyset"
	"github.com/tilery/tilery/pkg/offline"
)

// eraseAttempt stands in the names of files that lack the rows of erased keys.
const eraseAttempt = "erase"

// erasedInfo is an erasure in commitInfo: what Change.Erased and a repeated Erase tell.
type erasedInfo struct {
	Object string `json:"object"`
	Keys   int    `json:"keys"`
	Digest string `json:"digest"`
	Fence  int64  `json:"fence"`
	Files  int    `json:"files"`
	Rows   int64  `json:"rows"`
	Bytes  int64  `json:"bytes"`
}

func (i *erasedInfo) keySet() *offline.KeySet {
	if i == nil {
		return nil
	}
	return &offline.KeySet{Object: i.Object, Keys: i.Keys, Digest: i.Digest}
}

// MayHold implements offline.Table.
func (t *table) MayHold(s offline.Snapshot, keys *keyset.Set) []offline.File {
	var out []offline.File
	for _, f := range s.Files {
		if f.KeyBounds(t.spec.Keys[0]).MayHoldAny(keys) {
			out = append(out, f)
		}
	}
	return out
}

// Rewrite implements offline.Table. A file that was removed since may be gone: see OpenFile.
func (t *table) Rewrite(ctx context.Context, f offline.File, keys *keyset.Set, fields int, onProgress func(int64)) (offline.Rewrite, error) {
	out, err := t.rewriteWithout(ctx, f, keys, fields, onProgress)
	if err != nil {
		return offline.Rewrite{}, fmt.Errorf("erase keys from file %s of %q: %w", f.Path, t.spec.Path, err)
	}
	return out, nil
}

func (t *table) rewriteWithout(ctx context.Context, f offline.File, keys *keyset.Set, fields int, onProgress func(int64)) (offline.Rewrite, error) {
	out := offline.Rewrite{Path: f.Path}
	if fields < 1 || fields > len(t.spec.Keys) {
		return out, fmt.Errorf("keys have %d columns, the table's have %d", fields, len(t.spec.Keys))
	}
	if onProgress == nil {
		onProgress = func(int64) {}
	}
	done := int64(0)
	rest, err := t.rewrite(ctx, f, withoutKeys{keys, t.spec.Keys[:fields]}, eraseAttempt, func(rows int64) {
		done += rows
		onProgress(done)
	})
	switch {
	case err != nil || rest.whole:
		return out, err
	case rest.file == nil:
		out.Erased = f.Rows
	default:
		out.File, out.Erased = rest.file, f.Rows-rest.file.Rows
	}
	return out, nil
}

// Erase implements offline.Table.
func (t *table) Erase(ctx context.Context, e offline.Erasure) (offline.Erased, error) {
	result, err := t.erase(ctx, e)
	if err != nil {
		return offline.Erased{}, fmt.Errorf("erase keys from %q, commit %s: %w", t.spec.Path, e.ID, err)
	}
	return result, nil
}

func (t *table) erase(ctx context.Context, e offline.Erasure) (offline.Erased, error) {
	p, err := newEraser(t, e)
	if err != nil {
		return offline.Erased{}, err
	}
	if _, err := t.publish(ctx, p.plan); err != nil {
		return offline.Erased{}, err
	}
	s, err := t.history.advance(ctx, false)
	if err != nil {
		return offline.Erased{}, err
	}
	out, err := t.erased(ctx, s, e.ID)
	if err != nil {
		return offline.Erased{}, err
	}
	return out, t.follow(ctx, e, out.Version)
}

// follow has a version come after an erasure, if none does: one that does nothing. Until
// there is one, nobody knows for how long what was removed could be read. If it came weeks
// later, rows of the keys would stay for another retention from then on.
func (t *table) follow(ctx context.Context, e offline.Erasure, erased int64) error {
	_, err := t.publish(ctx, func(_ context.Context, s *state) (*plan, error) {
		if s.number > erased || len(s.fresh) == 0 {
			return nil, nil
		}
		return newPlan("DELETE", e.ID+".followed", e.Job), nil
	})
	return err
}

// erased tells what the version with an erasure's id did. Once the log no longer holds
// it, only its number is known.
func (t *table) erased(ctx context.Context, s *state, id string) (offline.Erased, error) {
	number, _ := s.erasedBy(id)
	v, err := t.history.readVersion(ctx, number)
	if errors.Is(err, bucket.ErrNotFound) {
		return offline.Erased{Version: number}, nil
	}
	if err != nil {
		return offline.Erased{}, err
	}
	if v.info == nil || v.info.Tilery == nil || v.info.Tilery.Erased == nil {
		return offline.Erased{}, fmt.Errorf("commit id was used by version %d, which is no erasure", number)
	}
	made := v.info.Tilery.Erased
	return offline.Erased{Version: number, Fence: made.Fence, Files: made.Files, Rows: made.Rows, Bytes: made.Bytes}, nil
}

// eraser plans one erasure against one snapshot after the other.
type eraser struct {
	table    *table
	erasure  offline.Erasure
	hashed   *keyset.Hashed
	digest   string
	rewrites map[string]offline.Rewrite // by path
	fence    fence                      // whose object was put
	rows     int64                      // read so far
}

func newEraser(t *table, e offline.Erasure) (*eraser, error) {
	switch {
	case e.ID == "":
		return nil, errors.New("commit has no id")
	case e.Keys == nil || e.Keys.Len() == 0:
		return nil, errors.New("no keys are given")
	case e.Fields < 1 || e.Fields > len(t.spec.Keys):
		return nil, fmt.Errorf("keys have %d columns, the table's have %d", e.Fields, len(t.spec.Keys))
	}
	if e.OnProgress == nil {
		e.OnProgress = func(int64) {}
	}
	p := &eraser{table: t, erasure: e, hashed: e.Keys.Hashed(), digest: e.Keys.Digest(), rewrites: map[string]offline.Rewrite{}}
	for _, r := range e.Rewrites {
		if r.File != nil {
			if err := checkFile(t.spec, *r.File); err != nil {
				return nil, err
			}
		}
		p.rewrites[r.Path] = r
	}
	return p, nil
}

func (p *eraser) plan(ctx context.Context, s *state) (*plan, error) {
	if _, done := s.erasedBy(p.erasure.ID); done {
		return nil, nil
	}
	e := p.erasure
	out := newPlan("DELETE", e.ID, e.Job)
	out.info.Generation, out.info.Online = e.Generation, e.Online
	made := &erasedInfo{Object: e.Object, Keys: e.Keys.Len(), Digest: p.digest, Fence: s.fence + 1}
	for _, f := range s.live() {
		if !f.KeyBounds(p.table.spec.Keys[0]).MayHoldAny(e.Keys) {
			continue
		}
		r, err := p.rewrite(ctx, f)
		if err != nil {
			return nil, fmt.Errorf("file %s: %w", f.Path, err)
		}
		if r.Erased == 0 {
			continue
		}
		made.Files++
		made.Rows += r.Erased
		made.Bytes += f.Size
		out.removes = append(out.removes, f)
		if r.File != nil {
			out.adds = append(out.adds, *r.File)
		}
	}
	if err := p.raise(ctx); err != nil {
		return nil, err
	}
	out.info.Erased = made
	p.fence.number, p.fence.version, p.fence.commit = made.Fence, s.number+1, e.ID
	out.txns = []transaction{{AppID: fenceID, Version: made.Fence}, p.fence.txn()}
	return out, nil
}

// rewrite returns what takes the place of a live file, as it was made before unless that
// is so long ago that it could be vacuumed.
func (p *eraser) rewrite(ctx context.Context, f offline.File) (offline.Rewrite, error) {
	if r, ok := p.rewrites[f.Path]; ok {
		usable, err := p.usable(ctx, f, r)
		if err != nil || usable {
			return r, err
		}
	}
	before := p.rows
	r, err := p.table.rewriteWithout(ctx, f, p.erasure.Keys, p.erasure.Fields, func(rows int64) {
		p.rows = before + rows
		p.erasure.OnProgress(p.rows)
	})
	if err == nil {
		p.rewrites[f.Path] = r
	}
	return r, err
}

// usable reports whether r may be committed in place of f.
func (p *eraser) usable(ctx context.Context, f offline.File, r offline.Rewrite) (bool, error) {
	left := int64(0)
	if r.File != nil {
		left = r.File.Rows
	}
	switch {
	case r.Erased < 0 || r.Erased > 0 && left+r.Erased != f.Rows:
		return false, fmt.Errorf("%d rows were erased of %d, which leaves %d", r.Erased, f.Rows, left)
	case r.File == nil:
		return true, nil
	}
	if old := p.table.tooOld(*r.File); old != nil {
		return false, nil //nolint:nilerr // it is made anew
	}
	info, err := p.table.bucket.Stat(ctx, p.table.spec.Path+"/"+r.File.Path)
	if errors.Is(err, bucket.ErrNotFound) {
		return false, nil
	}
	return err == nil && info.Size == r.File.Size, err
}

// raise puts the fence's object, unless it is there and young.
func (p *eraser) raise(ctx context.Context) error {
	if p.fence.object != "" && p.table.tooOld(offline.File{Path: p.fence.object, WrittenAt: p.fence.at}) == nil {
		return nil
	}
	object, at, err := p.table.putFence(ctx, p.hashed)
	p.fence = fence{object: object, fields: p.erasure.Fields, at: at}
	return err
}
