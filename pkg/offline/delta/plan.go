package delta

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/tilery/tilery/pkg/bucket"
	"github.com/tilery/tilery/pkg/offline"
	"github.com/tilery/tilery/pkg/window"
)

// retentionShare is the part of the retention that files may have lived through
// when they are committed. The rest is for the commit to be seen by a vacuum.
const retentionShare = 4

// planner plans one commit against one snapshot after the other.
type planner struct {
	table    *table
	commit   offline.Commit
	outcomes []offline.Outcome    // by build, in the snapshot that was planned for last
	seen     map[string]bool      // files of builds that were found in the bucket
	copies   map[string]remainder // of files, by which rows are left out
}

func newPlanner(t *table, c offline.Commit) *planner {
	return &planner{table: t, commit: c, seen: map[string]bool{}, copies: map[string]remainder{}}
}

func (p *planner) plan(ctx context.Context, s *state) (*plan, error) {
	out := newPlan("WRITE", p.commit.ID, p.commit.Job)
	out.info.Generation, out.info.Online = p.commit.Generation, p.commit.Online
	out.parameters["mode"] = "Append"
	if p.commit.Overwrite {
		out.parameters["mode"] = "Overwrite"
	}
	p.outcomes = make([]offline.Outcome, len(p.commit.Builds))
	var replaced []window.Interval
	version, used := s.committedBy(p.commit.ID)
	for i, b := range p.commit.Builds {
		outcome, settled := settle(s, b, p.commit.Overwrite, used)
		p.outcomes[i] = outcome
		if settled {
			continue
		}
		var err error
		if b, err = p.prepare(ctx, s, b); err != nil {
			return nil, fmt.Errorf("build of %s: %w", nameOf(b), err)
		}
		out.builds = append(out.builds, b)
		// A window that is not covered has no rows, though a compacted file may span it.
		if _, covered := s.readAt[b.Window.Start]; covered && b.Append == "" {
			replaced = append(replaced, b.Window)
		}
	}
	if len(out.builds) == 0 {
		return nil, nil
	}
	if used {
		return nil, fmt.Errorf("commit id was used by version %d, for other builds", version)
	}
	return out, p.replace(ctx, s, window.NewSet(replaced...), out)
}

// prepare returns what may be committed of a build in snapshot s.
func (p *planner) prepare(ctx context.Context, s *state, b offline.Build) (offline.Build, error) {
	if b.Fence > s.fence {
		return b, fmt.Errorf("its fence is %d, the table's %d", b.Fence, s.fence)
	}
	if err := p.checkFiles(ctx, b); err != nil {
		return b, err
	}
	return p.fenced(ctx, s, b)
}

// settle tells the outcome of a build in snapshot s. It is not settled when the
// build is yet to be committed; its outcome is Committed then, if that succeeds. retry
// says that a version has the id of the commit.
func settle(s *state, b offline.Build, overwrite, retry bool) (outcome offline.Outcome, settled bool) {
	if b.Append != "" {
		return settleAppend(s, b, retry)
	}
	// That version has other files than the build if keys were erased before it.
	retry = retry && b.Fence < s.fence
	readAt, covered := s.readAt[b.Window.Start]
	switch {
	case !covered:
		return offline.Committed, false
	case readAt == b.ReadAt && (retry || holds(s, b)):
		return offline.Committed, true
	case !overwrite:
		return offline.Done, true
	case readAt >= b.ReadAt:
		return offline.Superseded, true
	}
	return offline.Committed, false
}

func settleAppend(s *state, b offline.Build, retry bool) (offline.Outcome, bool) {
	if _, added := s.appended[b.Append]; !added {
		return offline.Committed, false
	}
	for _, f := range b.Files {
		if _, live := s.files[f.Path]; !live && !retry {
			return offline.Done, true
		}
	}
	return offline.Committed, true
}

// holds reports whether the rows of b are those of its window in s. It is asked
// when their ReadAt is the same.
func holds(s *state, b offline.Build) bool {
	if made, ok := s.winner(b.Window); ok {
		return sameFiles(made, b.Files)
	}
	// The version that covered the window is no longer known. A file of the build
	// shows that it won, until a compaction or an overwrite of other windows takes
	// it. Then the retry of a commit is told that its window is covered, not by whom.
	for _, f := range b.Files {
		if _, live := s.files[f.Path]; !live {
			return false
		}
	}
	if len(b.Files) > 0 {
		return true
	}
	for _, f := range s.files {
		if b.Window.Overlaps(reach(f)) {
			return false
		}
	}
	return true
}

// winner returns the files of the build that covers w, as they were committed.
func (s *state) winner(w window.Interval) (files []offline.File, ok bool) {
	for _, e := range slices.Backward(s.past) {
		if !slices.Contains(e.change.Windows, w) {
			continue
		}
		for _, f := range e.change.Added {
			// Copies in the same version hold rows outside its windows only.
			if w.Covers(reach(f)) {
				files = append(files, f)
			}
		}
		return files, true
	}
	return nil, false
}

func sameFiles(a, b []offline.File) bool {
	paths := func(files []offline.File) []string {
		out := make([]string, len(files))
		for i, f := range files {
			out[i] = f.Path
		}
		slices.Sort(out)
		return out
	}
	return slices.Equal(paths(a), paths(b))
}

// tooOld returns ErrStale for a file that no version names and that is so old that
// a vacuum might take it before it sees the version that is to name it.
func (t *table) tooOld(f offline.File) error {
	limit := t.opts.Retention / retentionShare
	if age := t.opts.Now().Sub(f.WrittenAt.Time()); age >= limit {
		return fmt.Errorf("%w: file %s is %v old, at most %v is allowed", offline.ErrStale, f.Path, age.Round(time.Second), limit)
	}
	return nil
}

// checkFiles returns ErrStale when files of b are gone or too old.
func (p *planner) checkFiles(ctx context.Context, b offline.Build) error {
	for _, f := range b.Files {
		if err := p.table.tooOld(f); err != nil {
			return err
		}
		if p.seen[f.Path] {
			continue
		}
		info, err := p.table.bucket.Stat(ctx, p.table.spec.Path+"/"+f.Path)
		switch {
		case errors.Is(err, bucket.ErrNotFound):
			return fmt.Errorf("%w: %w", offline.ErrStale, err)
		case err != nil:
			return err
		case info.Size != f.Size:
			return fmt.Errorf("%w: file %s has %d bytes, the build says %d", offline.ErrCorrupt, f.Path, info.Size, f.Size)
		}
		p.seen[f.Path] = true
	}
	return nil
}

// replace plans the removal of all rows of s in the windows: of files that lie
// within them, and of others by copying the rest of their rows.
func (p *planner) replace(ctx context.Context, s *state, windows window.Set, out *plan) error {
	for _, f := range s.live() {
		switch rows := reach(f); {
		case !windows.Overlaps(rows):
			continue
		case windows.Covers(rows):
			out.removes = append(out.removes, f)
			continue
		}
		rest, err := p.remainder(ctx, f, windows)
		if err != nil {
			return fmt.Errorf("copy the rest of file %s: %w", f.Path, err)
		}
		if rest.whole {
			continue
		}
		out.removes = append(out.removes, f)
		if rest.file != nil {
			out.adds = append(out.adds, *rest.file)
		}
	}
	return nil
}

// plan is what a version right after one snapshot does. It says nothing for others.
type plan struct {
	operation  string
	parameters map[string]string
	info       tileryInfo
	keepsRows  bool            // the rows added are those removed
	txns       []transaction   // besides those of builds
	removes    []offline.File  // live in the snapshot
	adds       []offline.File  // of rows that stay: their sequence numbers do too
	builds     []offline.Build // that become visible
}

func newPlan(operation, id, job string) *plan {
	return &plan{operation: operation, parameters: map[string]string{}, info: tileryInfo{CommitID: id, Job: job}}
}

// encode renders the plan as the given version.
func (p *plan) encode(number, millis int64) ([]byte, error) {
	info := p.info
	actions := []map[string]any{{"commitInfo": commitInfo{
		Timestamp:           millis,
		Operation:           p.operation,
		OperationParameters: p.parameters,
		EngineInfo:          engineInfo,
		Tilery:              &info,
	}}}
	for _, f := range p.removes {
		remove := removeOf(f, millis)
		remove.DataChange = !p.keepsRows
		actions = append(actions, map[string]any{"remove": remove})
	}
	for _, f := range p.adds {
		add := addOf(f)
		add.DataChange = !p.keepsRows
		actions = append(actions, map[string]any{"add": add})
	}
	for _, b := range p.builds {
		for _, f := range b.Files {
			f.Seq = number
			actions = append(actions, map[string]any{"add": addOf(f)})
		}
	}
	for _, b := range p.builds {
		info.note(b)
		actions = append(actions, map[string]any{"txn": buildTxn(b, millis)})
	}
	for _, x := range p.txns {
		x.LastUpdated = millis
		actions = append(actions, map[string]any{"txn": x})
	}
	info.Lines = len(actions)
	return encodeLines(actions)
}
