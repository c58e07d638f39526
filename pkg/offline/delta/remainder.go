package delta

import (
	"context"
	"fmt"

	"github.com/tilery/tilery/pkg/offline"
	"github.com/tilery/tilery/pkg/window"
)

// copyAttempt stands in the names of copies, where files of builds name their attempt.
const copyAttempt = "copy"

// remainder is what is left of a file when rows are taken out of it.
type remainder struct {
	whole bool          // none of its rows go: the file can stay
	file  *offline.File // the other rows; nil when there are none
}

// remainder copies the rows of f outside the windows.
func (p *planner) remainder(ctx context.Context, f offline.File, windows window.Set) (remainder, error) {
	return p.copy(ctx, f, fmt.Sprint(f.Path, windows), func() (rowFilter, error) {
		return outsideWindows{windows, len(p.table.spec.Keys)}, nil
	})
}

// copy copies the rows of f that a filter keeps, once per commit unless that takes so
// long that the copy could be vacuumed: a process may have stood still.
func (p *planner) copy(ctx context.Context, f offline.File, key string, filter func() (rowFilter, error)) (remainder, error) {
	if rest, ok := p.copies[key]; ok && (rest.file == nil || p.table.tooOld(*rest.file) == nil) {
		return rest, nil
	}
	by, err := filter()
	if err != nil {
		return remainder{}, err
	}
	rest, err := p.table.rewrite(ctx, f, by, copyAttempt, func(int64) {})
	if err == nil {
		p.copies[key] = rest
	}
	return rest, err
}
