package materialize

import (
	"context"
	"crypto/rand"
	"fmt"
	"time"

	"github.com/tilery/tilery/pkg/offline"
	"github.com/tilery/tilery/pkg/online"
	"github.com/tilery/tilery/pkg/window"
)

// maxReplaced bounds the fillings that a status remembers. Cells of one that is
// forgotten stay until their store is removed.
const maxReplaced = 100

// beginAnew has a store filled anew from a snapshot: its log was cleaned, or removed
// files were vacuumed, before it had followed, so nothing tells which of its cells are
// wrong. Requests read the old epoch meanwhile.
//
// The status names the new filling before its first cell, with the version from which
// on it follows the log and the time that it is to cover. So appliers that come
// together, or after one that was killed, fill the same epoch, each from its own
// snapshot: which of its cells are outdated by then the log tells since that version,
// as in any other step. The first to be done has it take the old one's place.
//
// What was covered stays covered, and what serving needs is added: which other windows
// commits were to bring online is lost with the log. If the status has changed, nothing
// is done.
func (e *Engine) beginAnew(ctx context.Context, t *Target, status online.Status, version uint64, snapshot offline.Snapshot) error {
	if status.Next != nil { // its log is gone as well
		status.Replaced = replace(status.Replaced, status.Next.Epoch, realNow())
	}
	status.Next = &online.Filling{
		Epoch: rand.Text(), From: snapshot.Version,
		Covered: status.Covered.Union(t.unserved(t.Covered(snapshot), nil)).Intersect(t.Covered(snapshot)),
	}
	_, err := online.WriteStatus(ctx, e.Online, t.Store(), status, version)
	return err
}

// takeOver returns the status of a store in which the next filling has taken the
// place of the present one, as it was begun.
func takeOver(status online.Status, now window.Time) online.Status {
	return online.Status{
		Epoch: status.Next.Epoch, Applied: status.Next.From, Covered: status.Next.Covered,
		Replaced: replace(status.Replaced, status.Epoch, now),
	}
}

// follows returns the newest version that cells of a store are of.
func follows(status online.Status) int64 {
	if status.Next != nil {
		return status.Next.From
	}
	return status.Applied
}

func realNow() window.Time { return window.FromTime(time.Now()) }

func replace(replaced []online.Replaced, epoch string, now window.Time) []online.Replaced {
	kept := replaced[max(0, len(replaced)-maxReplaced+1):]
	return append(kept[:len(kept):len(kept)], online.Replaced{Epoch: epoch, At: now})
}

// dropReplaced removes the cells of fillings whose places were taken before a time,
// and returns how many fillings those are. A reader in the middle of a request still
// reads the filling that it found, and an applier may still write to it, so the time
// is to be longer ago than either can take.
func (e *Engine) dropReplaced(ctx context.Context, t *Target, before window.Time, dryRun bool) (int, error) {
	status, version, ok, err := online.ReadStatus(ctx, e.Online, t.Store())
	if err != nil || !ok {
		return 0, err
	}
	var old, kept []online.Replaced
	for _, r := range status.Replaced {
		if r.At < before {
			old = append(old, r)
		} else {
			kept = append(kept, r)
		}
	}
	if dryRun || len(old) == 0 {
		return len(old), nil
	}
	for _, r := range old {
		if err := e.Online.Drop(ctx, t.CellStore(r.Epoch)); err != nil {
			return 0, fmt.Errorf("drop what was replaced in %s: %w", t.Store(), err)
		}
	}
	status.Replaced = kept
	// If another status came first, they are dropped once more the next time.
	_, err = online.WriteStatus(ctx, e.Online, t.Store(), status, version)
	return len(old), err
}
