package delta

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/tilery/tilery/pkg/bucket"
	"github.com/tilery/tilery/pkg/offline"
	"github.com/tilery/tilery/pkg/window"
)

// Pauses after a lost race.
const (
	minBackoff = 10 * time.Millisecond
	maxBackoff = time.Second
)

// maxBuilds bounds the windows of one commit.
const maxBuilds = 1000

// Commit implements offline.Table.
func (t *table) Commit(ctx context.Context, c offline.Commit) (offline.CommitResult, error) {
	result, err := t.commit(ctx, c)
	if err != nil {
		return offline.CommitResult{}, fmt.Errorf("commit %s to %q: %w", c.ID, t.spec.Path, err)
	}
	return result, nil
}

func (t *table) commit(ctx context.Context, c offline.Commit) (offline.CommitResult, error) {
	if err := checkCommit(t.spec, c); err != nil {
		return offline.CommitResult{}, err
	}
	p := newPlanner(t, c)
	version, err := t.publish(ctx, p.plan)
	if err != nil {
		return offline.CommitResult{}, err
	}
	return offline.CommitResult{Version: version, Outcomes: p.outcomes}, nil
}

// publish puts the version that plan plans, and returns its number. When it loses
// that number, plan is called for the state that the winners made. Plan may find
// that nothing is left to do and return nil: then the number is that of its state.
func (t *table) publish(ctx context.Context, plan func(context.Context, *state) (*plan, error)) (int64, error) {
	for attempt := range t.opts.MaxAttempts {
		if err := backOff(ctx, attempt); err != nil {
			return 0, err
		}
		asked := t.opts.Now()
		// Listed, because a missing version looks like the end of the log, and a put
		// in its place would hide the loss for good.
		s, err := t.history.advance(ctx, true)
		if err != nil {
			return 0, err
		}
		planned, err := plan(ctx, s)
		if err != nil || planned == nil {
			return s.number, err
		}
		if t.opts.Now().Sub(asked) > t.opts.SnapshotAge {
			continue // copying took long; the copies are kept for the next plan
		}
		number := s.number + 1
		data, err := planned.encode(number, t.opts.Now().UnixMilli())
		if err != nil {
			return 0, err
		}
		err = t.history.put(ctx, asked, planned.info.CommitID, number, data)
		if err == nil {
			return number, nil
		}
		if !errors.Is(err, bucket.ErrExists) {
			return 0, err
		}
	}
	return 0, fmt.Errorf("%w: %d attempts", offline.ErrConflict, t.opts.MaxAttempts)
}

// backOff waits before a further attempt. Its length is random, so that writers
// who met once do not meet again.
func backOff(ctx context.Context, attempt int) error {
	if attempt == 0 {
		return ctx.Err()
	}
	timer := time.NewTimer(rand.N(min(minBackoff<<min(attempt, 10), maxBackoff)))
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// checkCommit refuses what is wrong in any snapshot.
func checkCommit(spec offline.Spec, c offline.Commit) error {
	if c.ID == "" {
		return errors.New("commit has no id")
	}
	if len(c.Builds) > maxBuilds {
		return fmt.Errorf("%d builds, at most %d are allowed", len(c.Builds), maxBuilds)
	}
	names := map[string]bool{}
	paths := map[string]bool{}
	for _, b := range c.Builds {
		name := nameOf(b)
		if names[name] {
			return fmt.Errorf("%s has two builds", name)
		}
		names[name] = true
		if err := checkBuild(spec, b); err != nil {
			return fmt.Errorf("build of %s: %w", name, err)
		}
		for _, f := range b.Files {
			if paths[f.Path] {
				return fmt.Errorf("file %s is in the commit twice", f.Path)
			}
			paths[f.Path] = true
		}
	}
	return nil
}

// nameOf says what a build is of.
func nameOf(b offline.Build) string {
	if b.Append != "" {
		return "ingest " + b.Append
	}
	return fmt.Sprint("window ", b.Window)
}

// checkPlace refuses a build that its table has no place for.
func checkPlace(spec offline.Spec, b offline.Build) error {
	if spec.Sequence == "" {
		if b.Append != "" {
			return errors.New("the rows of the table belong to windows")
		}
		return errors.Join(checkWindow(spec, b.Window), checkReadAt(b.ReadAt))
	}
	switch {
	case b.Window != (window.Interval{}) || b.ReadAt != 0:
		return errors.New("the rows of the table belong to no window")
	case !attemptForm.MatchString(b.Append):
		return fmt.Errorf("name %q is not 1 to 100 of [A-Za-z0-9._-]", b.Append)
	}
	return nil
}

func checkBuild(spec offline.Spec, b offline.Build) error {
	if err := checkPlace(spec, b); err != nil {
		return err
	}
	if b.Fence < 0 {
		return fmt.Errorf("fence %d is negative", b.Fence)
	}
	rows, bytes := int64(0), int64(0)
	for _, f := range b.Files {
		if err := checkFile(spec, f); err != nil {
			return err
		}
		if b.Append == "" && !b.Window.Covers(reach(f)) {
			return fmt.Errorf("file %s has rows outside the window", f.Path)
		}
		rows += f.Rows
		bytes += f.Size
	}
	if rows != b.Rows || bytes != b.Bytes {
		return fmt.Errorf("has %d rows in %d bytes, its files %d in %d", b.Rows, b.Bytes, rows, bytes)
	}
	return nil
}
