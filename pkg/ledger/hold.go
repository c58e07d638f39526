package ledger

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/tilery/tilery/pkg/window"
)

// hold is the content of holds/<workspace>/<view>/<start>-<end>.json. The name
// tells what is held; the rest is for people.
type hold struct {
	Format int             `json:"format"`
	Window window.Interval `json:"window"`
	Job    string          `json:"job,omitempty"` // that was cancelled
}

func holdPrefix(workspace, view string) string { return "holds/" + workspace + "/" + view + "/" }

func holdKey(workspace, view string, i window.Interval) string {
	return fmt.Sprintf("%s%s-%s.json", holdPrefix(workspace, view), compact(i.Start), compact(i.End))
}

// PutHold keeps incremental jobs from filling an interval of the view. Job is the
// id of the one that a person cancelled, or empty. It can be repeated.
func (l *Ledger) PutHold(ctx context.Context, workspace, view string, i window.Interval, job string) error {
	if err := checkHold(workspace, view, i); err != nil {
		return err
	}
	if job != "" {
		if err := checkID(job); err != nil {
			return err
		}
	}
	data, err := json.Marshal(hold{format, i, job})
	if err != nil {
		return fmt.Errorf("encode hold %v: %w", i, err)
	}
	return l.bucket.Put(ctx, holdKey(workspace, view, i), data)
}

// DeleteHold lifts what is held of an interval. Of a hold that reaches beyond it
// the rest stays, written before the whole is deleted: cut short by an error, it
// leaves too much held, never too little, and is to be repeated. Two that lift
// parts of one hold at the same time can undo each other; what then stays held is
// in Holds.
func (l *Ledger) DeleteHold(ctx context.Context, workspace, view string, i window.Interval) error {
	if err := checkHold(workspace, view, i); err != nil {
		return err
	}
	holds, err := l.listHolds(ctx, workspace, view)
	if err != nil {
		return err
	}
	for _, held := range holds {
		if !held.Overlaps(i) {
			continue
		}
		for _, rest := range window.NewSet(held).Subtract(window.NewSet(i)) {
			if err := l.PutHold(ctx, workspace, view, rest, ""); err != nil {
				return err
			}
		}
		if err := l.bucket.Delete(ctx, holdKey(workspace, view, held)); err != nil {
			return err
		}
	}
	return nil
}

// Holds returns what is held of the view. It costs one list.
func (l *Ledger) Holds(ctx context.Context, workspace, view string) (window.Set, error) {
	if err := checkNames(workspace, view); err != nil {
		return nil, err
	}
	holds, err := l.listHolds(ctx, workspace, view)
	return window.NewSet(holds...), err
}

func checkHold(workspace, view string, i window.Interval) error {
	if i.Empty() || i.Start < window.MinTime || i.End > window.MaxTime {
		return invalid("hold %v is empty or outside years 1 to 9999", i)
	}
	return checkNames(workspace, view)
}

func (l *Ledger) listHolds(ctx context.Context, workspace, view string) ([]window.Interval, error) {
	prefix := holdPrefix(workspace, view)
	var holds []window.Interval
	for info, err := range l.bucket.List(ctx, prefix, "") {
		if err != nil {
			return nil, fmt.Errorf("list holds of %s in %s: %w", view, workspace, err)
		}
		start, end, _ := strings.Cut(strings.TrimSuffix(strings.TrimPrefix(info.Key, prefix), ".json"), "-")
		var held window.Interval
		if start == none || !parseWindow(start, end, &held) || holdKey(workspace, view, held) != info.Key {
			return nil, fmt.Errorf("key %s: %w", info.Key, ErrCorrupt)
		}
		holds = append(holds, held)
	}
	return holds, nil
}
