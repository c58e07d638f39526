package ledger

import "context"

// MaxHistories bounds one answer of Histories, whose records are all read.
const MaxHistories = 1_000

// Histories returns all that is known of the view's jobs, the newest first and at
// most limit, which is 1 to MaxHistories. It costs one list and reads each record.
func (l *Ledger) Histories(ctx context.Context, workspace, view string, limit int) ([]History, error) {
	if err := checkNames(workspace, view); err != nil {
		return nil, err
	}
	if limit < 1 || limit > MaxHistories {
		return nil, invalid("limit is %d, want 1 to %d", limit, MaxHistories)
	}
	jobs, err := l.listKeys(ctx, workspace, view, limit)
	if err != nil {
		return nil, err
	}
	out := make([]History, len(jobs))
	for n, job := range jobs {
		if out[n], err = l.history(ctx, job.states, job.attempts); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// jobKeys are the objects of one job.
type jobKeys struct {
	folder           string
	states, attempts []string
}

// listKeys leaves out jobs whose first state is not written.
func (l *Ledger) listKeys(ctx context.Context, workspace, view string, limit int) ([]jobKeys, error) {
	var jobs []jobKeys
	for i, err := range l.list(ctx, workspace, view, viewPrefix(workspace, view)) {
		if err != nil {
			return nil, err
		}
		known := len(jobs) > 0 && jobs[len(jobs)-1].folder == i.job.folder()
		switch {
		case !known && len(jobs) == limit:
			return jobs, nil
		case !known && i.kind == state:
			jobs = append(jobs, jobKeys{folder: i.job.folder(), states: []string{i.key()}})
		case known && i.kind == state:
			job := &jobs[len(jobs)-1]
			job.states = append(job.states, i.key())
		case known && i.kind == attempt:
			job := &jobs[len(jobs)-1]
			job.attempts = keepLast(append(job.attempts, i.key()))
		}
	}
	return jobs, nil
}
