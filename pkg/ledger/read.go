package ledger

import (
	"context"
	"fmt"
	"strings"

	"golang.org/x/sync/errgroup"
)

const (
	// MaxJobs bounds one answer of Jobs and Status.
	MaxJobs = 100_000

	// maxAttempts is how many attempts of a job are kept of a listing, the last ones:
	// a long backfill with a bad source has many more than a person would read.
	maxAttempts = 100

	readers = 16 // objects read at a time
)

// JobStatus is what a listing tells of a job. Its Entry is its last state.
type JobStatus struct {
	Job
	Entry
	Attempts []Entry // that ended, by number and attempt; the last 100
}

// History is all that is known of a job.
type History struct {
	Job
	States   []Record // by number
	Attempts []Record // by number and attempt; the last 100
}

// Last returns the newest state. What Get and Histories return has one.
func (h History) Last() Record { return h.States[len(h.States)-1] }

// Jobs returns the view's jobs, the newest first and at most limit, which is 1 to
// MaxJobs. It costs one list, and reads nothing.
func (l *Ledger) Jobs(ctx context.Context, workspace, view string, limit int) ([]JobStatus, error) {
	return l.jobs(ctx, workspace, view, "", limit)
}

// jobs is Jobs of one type, which listings tell too.
func (l *Ledger) jobs(ctx context.Context, workspace, view string, only Type, limit int) ([]JobStatus, error) {
	if err := checkNames(workspace, view); err != nil {
		return nil, err
	}
	if limit < 1 || limit > MaxJobs {
		return nil, invalid("limit is %d, want 1 to %d", limit, MaxJobs)
	}
	var jobs []JobStatus
	for i, err := range l.list(ctx, workspace, view, viewPrefix(workspace, view)) {
		if err != nil {
			return nil, err
		}
		known := len(jobs) > 0 && jobs[len(jobs)-1].folder() == i.job.folder()
		switch {
		case !known && len(jobs) == limit:
			return jobs, nil
		case only != "" && i.job.Type != only:
		case !known && i.kind == state:
			jobs = append(jobs, JobStatus{Job: i.job, Entry: i.entry})
		case !known: // its first state was written while this listing went by, or is not yet
		case i.kind == state:
			jobs[len(jobs)-1].Entry = i.entry
		case i.kind == attempt:
			job := &jobs[len(jobs)-1]
			job.Attempts = keepLast(append(job.Attempts, i.entry))
		}
	}
	return jobs, nil
}

// Views returns the views of a workspace that have jobs, in order. It costs one
// list for each.
func (l *Ledger) Views(ctx context.Context, workspace string) ([]string, error) {
	if err := checkName(workspace); err != nil {
		return nil, err
	}
	prefix := "jobs/" + workspace + "/"
	var views []string
	for after := ""; ; {
		view, err := l.nextView(ctx, prefix, after)
		if err != nil {
			return nil, fmt.Errorf("list views of %s: %w", workspace, err)
		}
		if view == "" {
			return views, nil
		}
		views = append(views, view)
		after = prefix + view + "0" // the byte after the slash: past all its jobs
	}
}

func (l *Ledger) nextView(ctx context.Context, prefix, after string) (string, error) {
	for info, err := range l.bucket.List(ctx, prefix, after) {
		if err != nil {
			return "", err
		}
		view, _, ok := strings.Cut(strings.TrimPrefix(info.Key, prefix), "/")
		if !ok || checkName(view) != nil {
			return "", fmt.Errorf("key %s: %w", info.Key, ErrCorrupt)
		}
		return view, nil
	}
	return "", nil
}

func keepLast[T any](attempts []T) []T { return attempts[max(0, len(attempts)-maxAttempts):] }

// Get returns one job, or ErrNotFound. It lists the newer jobs of the view and
// reads the job's records.
func (l *Ledger) Get(ctx context.Context, workspace, view, id string) (History, error) {
	if err := checkNames(workspace, view); err != nil {
		return History{}, err
	}
	if err := checkID(id); err != nil {
		return History{}, err
	}
	var states, attempts []string
	for i, err := range l.list(ctx, workspace, view, viewPrefix(workspace, view)) {
		if err != nil {
			return History{}, err
		}
		switch {
		case i.job.ID != id && len(states) > 0:
			return l.history(ctx, states, attempts)
		case i.job.ID != id:
		case i.kind == state:
			states = append(states, i.key())
		case i.kind == attempt:
			attempts = keepLast(append(attempts, i.key()))
		}
	}
	if len(states) == 0 {
		return History{}, fmt.Errorf("job %s of view %s in workspace %s: %w", id, view, workspace, ErrNotFound)
	}
	return l.history(ctx, states, attempts)
}

func (l *Ledger) history(ctx context.Context, states, attempts []string) (History, error) {
	documents, err := l.read(ctx, append(states, attempts...))
	if err != nil {
		return History{}, err
	}
	h := History{Job: documents[0].Job}
	for i, d := range documents {
		if i < len(states) {
			h.States = append(h.States, d.Record)
		} else {
			h.Attempts = append(h.Attempts, d.Record)
		}
	}
	return h, nil
}

// read returns what the objects hold, in their order.
func (l *Ledger) read(ctx context.Context, keys []string) ([]document, error) {
	documents := make([]document, len(keys))
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(readers)
	for n, key := range keys {
		group.Go(func() error {
			data, err := l.bucket.Get(ctx, key)
			if err != nil {
				return fmt.Errorf("read %s: %w", key, err)
			}
			documents[n], err = decode(key, data)
			return err
		})
	}
	return documents, group.Wait()
}
