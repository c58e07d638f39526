package delta

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/tilery/tilery/pkg/offline"
)

// Defaults of a CompactRequest.
const (
	defaultTargetBytes = 256 << 20
	defaultMinFiles    = 8
	defaultMaxBytes    = 4 << 30
)

// Compact implements offline.Maintainer. All that it merges becomes one version. A
// group of files of which one is no longer live by then is left out of it; so is
// all when keys were deleted meanwhile, since nothing told the merge of them.
func (t *table) Compact(ctx context.Context, r offline.CompactRequest) (offline.CompactResult, error) {
	result, err := t.compact(ctx, r)
	if err != nil {
		return offline.CompactResult{}, fmt.Errorf("compact %q, commit %s: %w", t.spec.Path, r.ID, err)
	}
	return result, nil
}

func (t *table) compact(ctx context.Context, r offline.CompactRequest) (offline.CompactResult, error) {
	if r.ID == "" {
		return offline.CompactResult{}, errors.New("commit has no id")
	}
	if r.TargetBytes < 0 || r.MinFiles < 0 || r.MaxBytes < 0 {
		return offline.CompactResult{}, fmt.Errorf("target of %d bytes, %d files or %d bytes are negative", r.TargetBytes, r.MinFiles, r.MaxBytes)
	}
	r = withCompactDefaults(r)
	s, err := t.history.advance(ctx, false)
	if err != nil {
		return offline.CompactResult{}, err
	}
	if _, done := s.committedBy(r.ID); !done {
		c := &compaction{table: t, request: r, fence: s.fence}
		if err := c.merge(ctx, choose(s, r, t.opts.RowGroupRows)); err != nil {
			return offline.CompactResult{}, err
		}
		if _, err := t.publish(ctx, c.plan); err != nil {
			return offline.CompactResult{}, err
		}
		if s, err = t.history.advance(ctx, false); err != nil {
			return offline.CompactResult{}, err
		}
	}
	return t.compacted(ctx, s, r)
}

// compacted tells what the version with the request's id did, if there is one: it
// may be that of an earlier call, whose answer was lost.
func (t *table) compacted(ctx context.Context, s *state, r offline.CompactRequest) (offline.CompactResult, error) {
	result := offline.CompactResult{Version: s.number, More: len(choose(s, r, t.opts.RowGroupRows)) > 0}
	version, done := s.committedBy(r.ID)
	if !done {
		return result, nil
	}
	result.Version = version
	changes, err := t.Changes(ctx, version-1, version)
	if errors.Is(err, offline.ErrHistoryGone) {
		return result, nil
	}
	if err != nil {
		return offline.CompactResult{}, err
	}
	for _, made := range changes {
		result.Removed, result.Added = len(made.Removed), len(made.Added)
		for _, f := range made.Removed {
			result.Rows += f.Rows
			result.Bytes += f.Size
		}
	}
	return result, nil
}

func withCompactDefaults(r offline.CompactRequest) offline.CompactRequest {
	if r.TargetBytes == 0 {
		r.TargetBytes = defaultTargetBytes
	}
	if r.MinFiles == 0 {
		r.MinFiles = defaultMinFiles
	}
	r.MinFiles = min(max(r.MinFiles, 2), maxFanIn)
	if r.MaxBytes == 0 {
		r.MaxBytes = defaultMaxBytes
	}
	if r.OnProgress == nil {
		r.OnProgress = func(int64) {}
	}
	return r
}

// compaction is one call of Compact.
type compaction struct {
	table   *table
	request offline.CompactRequest
	fence   int64 // of the snapshot that the files were chosen from
	merged  []merged
	rows    int64 // read so far
}

// merged is a group and the file, which no version names yet, that has its rows.
type merged struct {
	from    group
	to      offline.File
	dropped int64 // rows that are not in it
}

// merge merges the groups. A group with a file that was vacuumed meanwhile is left out.
func (c *compaction) merge(ctx context.Context, groups []group) error {
	for _, g := range groups {
		to, dropped, err := c.table.mergeFiles(ctx, g, func(rows int64) {
			c.rows += rows
			c.request.OnProgress(c.rows)
		})
		if errors.Is(err, offline.ErrCorrupt) {
			s, stateErr := c.table.history.advance(ctx, false)
			if stateErr != nil {
				return errors.Join(err, stateErr)
			}
			if !s.holdsAll(g) {
				continue
			}
		}
		if err != nil {
			return err
		}
		c.merged = append(c.merged, merged{g, to, dropped})
	}
	return nil
}

// plan leaves coverage and transactions alone: rows only move, but for those that count
// no longer.
func (c *compaction) plan(_ context.Context, s *state) (*plan, error) {
	if _, done := s.committedBy(c.request.ID); done || s.fence != c.fence {
		return nil, nil
	}
	out := newPlan("OPTIMIZE", c.request.ID, c.request.Job)
	out.keepsRows = true
	for _, m := range c.merged {
		if s.holdsAll(m.from) && c.table.tooOld(m.to) == nil {
			out.removes = append(out.removes, m.from...)
			out.adds = append(out.adds, m.to)
			out.keepsRows = out.keepsRows && m.dropped == 0
		}
	}
	if len(out.adds) == 0 {
		return nil, nil
	}
	return out, nil
}

// holdsAll reports whether all files of g are live.
func (s *state) holdsAll(g group) bool {
	return !slices.ContainsFunc(g, func(f offline.File) bool {
		_, live := s.files[f.Path]
		return !live
	})
}
