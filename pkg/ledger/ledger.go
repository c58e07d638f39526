package ledger

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"slices"

	"github.com/tilery/tilery/pkg/bucket"
)

// format of the objects that this package writes; it reads no newer one.
const format = 1

// Ledger reads and writes the records of jobs. It is safe for concurrent use, by
// many processes too.
type Ledger struct{ bucket bucket.Bucket }

// New returns the ledger in b.
func New(b bucket.Bucket) *Ledger { return &Ledger{b} }

// document is the content of an object.
type document struct {
	Format int `json:"format"`
	Job
	Record
}

func encode(job Job, r Record) ([]byte, error) {
	r.Message, r.Reason = cut(r.Message), cut(r.Reason)
	data, err := json.Marshal(document{format, job, r})
	if err != nil {
		return nil, fmt.Errorf("encode number %d of job %s: %w", r.Number, job.ID, err)
	}
	return data, nil
}

func decode(key string, data []byte) (document, error) {
	var d document
	if err := json.Unmarshal(data, &d); err != nil {
		return document{}, fmt.Errorf("decode %s: %w: %w", key, ErrCorrupt, err)
	}
	if d.Format != format {
		return document{}, fmt.Errorf("decode %s: format %d is not known to this version of tilery", key, d.Format)
	}
	if !slices.Contains([]string{d.claimKey(d.Number), d.stateKey(d.Entry), d.attemptKey(d.Entry)}, key) {
		return document{}, fmt.Errorf("decode %s: %w: it tells of another record", key, ErrCorrupt)
	}
	return d, nil
}

// Append records the job's next state. The first has number 1, and each other one
// more than the state before: ErrTransition if that is not recorded, or if r.State
// must not follow it. It returns nil if the same record was appended before, and
// ErrConflict if another one with its number was. It costs one list and two puts.
func (l *Ledger) Append(ctx context.Context, job Job, r Record) error {
	if err := cmp.Or(job.check(), r.check()); err != nil {
		return err
	}
	data, err := encode(job, r)
	if err != nil {
		return err
	}
	last, err := l.last(ctx, job)
	if err != nil {
		return err
	}
	// A number that was reached before is left to the claim: it may be this record's.
	if r.Number > last.Number && (r.Number != last.Number+1 || !slices.Contains(successors[last.State], r.State)) {
		return fmt.Errorf("job %s: %w from number %d, %q, to number %d, %q", job.ID, ErrTransition, last.Number, last.State, r.Number, r.State)
	}
	if err := l.claim(ctx, job.claimKey(r.Number), data); err != nil {
		return err
	}
	return l.claim(ctx, job.stateKey(r.Entry), data)
}

// AppendAttempt records an attempt that ended as Success, Error or Cancelled while
// the job was in the state with r.Number: ErrTransition if that is not recorded.
// Attempts of different windows may have the same number. It returns nil if the
// same record was appended before, and ErrConflict if that told other details. A
// listing grows with each attempt. It costs one get and one put.
func (l *Ledger) AppendAttempt(ctx context.Context, job Job, r Record) error {
	if err := cmp.Or(job.check(), r.checkAttempt()); err != nil {
		return err
	}
	data, err := encode(job, r)
	if err != nil {
		return err
	}
	under, err := l.claimed(ctx, job, r.Number)
	if err != nil {
		return err
	}
	if under.Type != job.Type {
		return fmt.Errorf("job %s: %w: it has type %s, not %s", job.ID, ErrConflict, under.Type, job.Type)
	}
	return l.claim(ctx, job.attemptKey(r.Entry), data)
}

// claimed returns what a number was claimed with: ErrTransition if it was not. It
// reads one object, since a job may have as many attempts as windows.
func (l *Ledger) claimed(ctx context.Context, job Job, number int) (document, error) {
	key := job.claimKey(number)
	data, err := l.bucket.Get(ctx, key)
	if errors.Is(err, bucket.ErrNotFound) {
		return document{}, fmt.Errorf("job %s: %w: an attempt under number %d, which is not recorded", job.ID, ErrTransition, number)
	}
	if err != nil {
		return document{}, fmt.Errorf("read %s: %w", key, err)
	}
	return decode(key, data)
}

func (l *Ledger) claim(ctx context.Context, key string, data []byte) error {
	err := bucket.Claim(ctx, l.bucket, key, data)
	if errors.Is(err, bucket.ErrExists) {
		return fmt.Errorf("append %s: %w", key, ErrConflict)
	}
	return err
}

// last returns the job's last state, zero if it has none, and writes the names of
// numbers whose writers did not come to it.
func (l *Ledger) last(ctx context.Context, job Job) (Entry, error) {
	var last Entry
	unnamed := 0 // a number whose claim was listed, but not its state
	for i, err := range l.list(ctx, job.Workspace, job.View, job.folder()) {
		switch {
		case err != nil:
			return Entry{}, err
		case i.kind == state && i.job.Type != job.Type:
			return Entry{}, fmt.Errorf("job %s: %w: it has type %s, not %s", job.ID, ErrConflict, i.job.Type, job.Type)
		case i.kind == state:
			last = i.entry
		case i.kind == claimed && i.entry.Number > last.Number:
			unnamed = i.entry.Number
		}
	}
	if unnamed <= last.Number {
		return last, nil
	}
	return l.name(ctx, job, unnamed)
}

// name writes the name of a claimed number, with the bytes of its claim: its
// writer may be about to do the same.
func (l *Ledger) name(ctx context.Context, job Job, number int) (Entry, error) {
	key := job.claimKey(number)
	data, err := l.bucket.Get(ctx, key)
	if err != nil {
		return Entry{}, fmt.Errorf("read %s: %w", key, err)
	}
	d, err := decode(key, data)
	if err != nil {
		return Entry{}, err
	}
	return d.Entry, l.claim(ctx, d.stateKey(d.Entry), data)
}

// list yields what the keys with a prefix tell, the newest job first and its
// records in order. An error ends it.
func (l *Ledger) list(ctx context.Context, workspace, view, prefix string) iter.Seq2[item, error] {
	return func(yield func(item, error) bool) {
		for info, err := range l.bucket.List(ctx, prefix, "") {
			if err != nil {
				yield(item{}, fmt.Errorf("list jobs of %s in %s: %w", view, workspace, err))
				return
			}
			i, err := parseKey(workspace, view, info.Key)
			if !yield(i, err) || err != nil {
				return
			}
		}
	}
}
