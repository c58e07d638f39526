package dataset

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/tilery/tilery/pkg/bucket"
	"github.com/tilery/tilery/pkg/registry"
)

// maxSwept bounds the objects that one Sweep removes.
const maxSwept = 10_000

// Swept tells what a sweep removed, or by a dry run would have.
type Swept struct {
	Objects int64
	Bytes   int64
	More    bool // another call would find work
}

// sweep removes objects.
type sweep struct {
	before time.Time // only what was put before it, by the bucket's clock
	dryRun bool
	done   Swept
}

// Sweep removes what saves of a workspace left that failed more than a day ago.
func (s *Store) Sweep(ctx context.Context, workspace string, dryRun bool) (Swept, error) {
	if err := registry.CheckWorkspace(workspace); err != nil {
		return Swept{}, err
	}
	w := &sweep{before: time.Now().Add(-leftoverAge), dryRun: dryRun}
	for after := ""; !w.done.More; {
		name, err := s.nextName(ctx, workspace, "", after)
		if err != nil {
			return Swept{}, fmt.Errorf("list datasets of %s: %w", workspace, err)
		}
		if name == "" {
			break
		}
		if err := s.sweepName(ctx, workspace, name, w); err != nil {
			return Swept{}, err
		}
		after = name
	}
	return w.done, nil
}

// sweepName removes the old files of a name that its dataset, if there is one, does
// not have. The files are listed before the dataset is asked for: one that is saved
// in between is not among them as long as saves take less than leftoverAge.
func (s *Store) sweepName(ctx context.Context, workspace, name string, w *sweep) error {
	var old []bucket.Info
	for info, err := range s.bucket.List(ctx, s.folder(workspace, name), "") {
		if err != nil {
			return fmt.Errorf("list what saves of dataset %q left: %w", name, err)
		}
		if info.Key != s.documentKey(workspace, name) && info.ModTime.Before(w.before) {
			old = append(old, info)
		}
	}
	if len(old) == 0 {
		return nil
	}
	d, err := s.Describe(ctx, workspace, name)
	if err != nil && !errors.Is(err, ErrNotFound) {
		return err
	}
	kept := s.saveFolder(workspace, name, d.ID)
	for _, info := range old {
		if err == nil && strings.HasPrefix(info.Key, kept) {
			continue
		}
		if w.done.Objects == maxSwept {
			w.done.More = true
			break
		}
		if !w.dryRun {
			if err := s.bucket.Delete(ctx, info.Key); err != nil {
				return fmt.Errorf("remove what a save of dataset %q left: %w", name, err)
			}
		}
		w.done.Objects++
		w.done.Bytes += info.Size
	}
	return nil
}
