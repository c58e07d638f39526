package delta

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/tilery/tilery/pkg/bucket"
	"github.com/tilery/tilery/pkg/offline"
	"github.com/tilery/tilery/pkg/window"
)

// Bounds of one reading of the log.
const (
	maxVersionsPerRead = 1 << 20
	versionsAtOnce     = 64 // read ahead, not yet applied
	readersAtOnce      = 8
	maxReads           = 3 // from the start, while versions are cleaned away
)

// history follows the log of one table.
type history struct {
	bucket bucket.Bucket
	opts   Options
	path   string // of the table
	layout *layout

	// gate holds a token while nobody advances the state. It is not a mutex, so
	// that waiting for it ends with the waiter's context.
	gate     chan struct{}
	state    *state
	listedAt time.Time

	// empty is where a reading from the start begins.
	empty *state
	old   older
}

func newHistory(b bucket.Bucket, opts Options, spec offline.Spec, l *layout) *history {
	h := &history{
		bucket: b, opts: opts, path: spec.Path, layout: l,
		gate: make(chan struct{}, 1), state: newState(spec), empty: newState(spec),
		old: older{gate: make(chan struct{}, 1)},
	}
	h.gate <- struct{}{}
	h.old.gate <- struct{}{}
	return h
}

// advance returns the newest state: all versions that were put before the call
// are in it. It lists the log if relist is set or the last listing is too old,
// and asks for the next versions one by one otherwise.
func (h *history) advance(ctx context.Context, relist bool) (*state, error) {
	select {
	case <-h.gate:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	defer func() { h.gate <- struct{}{} }()

	began := h.opts.Now()
	next, err := h.readAgain(ctx, relist)
	if err != nil {
		return nil, err
	}
	if relist || began.Sub(h.listedAt) >= h.opts.SnapshotAge {
		h.listedAt = began
	}
	h.state = next
	return next, nil
}

// readAgain reads what comes after h.state, and again from the newest checkpoint
// when that fails, or takes so long, that a cleanup may have been at work meanwhile.
func (h *history) readAgain(ctx context.Context, relist bool) (*state, error) {
	from := h.state
	for reads := 1; ; reads++ {
		began := h.opts.Now()
		next, err := h.read(ctx, from, began, relist)
		doubtful := errors.Is(err, bucket.ErrNotFound) || err == nil && h.opts.Now().Sub(began) >= h.opts.trustAge()
		if !doubtful || reads == maxReads {
			return next, err
		}
		found, listErr := h.list(ctx, from.number)
		switch {
		case listErr != nil:
			return nil, listErr
		case found.newest() <= from.number: // only what a checkpoint replaces is ever cleaned away
			return next, err
		}
		from, relist = h.empty, true
	}
}

// read returns the state after s. The listing that s comes from may be so old that
// versions after it were cleaned away since, and that a writer who was stopped as
// long has put his into the hole. A checkpoint cannot be deceived so.
func (h *history) read(ctx context.Context, s *state, now time.Time, relist bool) (_ *state, err error) {
	age := now.Sub(h.listedAt)
	if relist || age >= h.opts.SnapshotAge {
		if s, err = h.readListed(ctx, s, age < h.opts.trustAge()); err != nil {
			return nil, err
		}
	}
	return h.readNext(ctx, s)
}

// create puts the first version unless there is one, whose layout must fit then.
// It returns the newest state.
func (h *history) create(ctx context.Context) (*state, error) {
	s, err := h.advance(ctx, true)
	if err != nil || s.number >= 0 {
		return s, err
	}
	data, err := h.firstVersion()
	if err != nil {
		return nil, err
	}
	err = bucket.Claim(ctx, h.bucket, versionKey(h.path, 0), data)
	if err != nil && !errors.Is(err, bucket.ErrExists) {
		return nil, fmt.Errorf("create: %w", err)
	}
	// The winner of a race may have wanted another layout.
	return h.advance(ctx, false)
}

func (h *history) firstVersion() ([]byte, error) {
	id := newUUID()
	millis := h.opts.Now().UnixMilli()
	meta := h.layout.metaData
	meta.ID, meta.CreatedTime = id, millis
	return encodeLines([]map[string]any{
		{"commitInfo": commitInfo{
			Timestamp:           millis,
			Operation:           "CREATE TABLE",
			OperationParameters: map[string]string{},
			EngineInfo:          engineInfo,
			Tilery:              &tileryInfo{CommitID: id, Lines: 3},
		}},
		{"protocol": protocol{MinReaderVersion: 1, MinWriterVersion: 2}},
		{"metaData": meta},
	})
}

// newUUID returns a random UUID, version 4.
func newUUID() string {
	var b [16]byte
	rand.Read(b[:])
	b[6] = b[6]&0x0f | 0x40
	b[8] = b[8]&0x3f | 0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}

// readListed applies the versions after s that a listing shows. A listing may
// miss a version that is put while it runs and show a later one, so all numbers
// up to the last are read, and only one that cannot be read is missing.
func (h *history) readListed(ctx context.Context, s *state, trusted bool) (*state, error) {
	if s.number < 0 {
		return h.load(ctx)
	}
	found, err := h.list(ctx, s.number)
	switch {
	case err != nil:
		return nil, err
	case !trusted && found.newest() > s.number:
		return h.load(ctx)
	case found.last <= s.number:
		return s, nil
	}
	next := s.clone(h.horizon(s))
	return next, h.replay(ctx, next, found.last)
}

// horizon goes by the log's clock, so that all who look at a version agree, but never
// by one that is fast.
func (h *history) horizon(s *state) horizon {
	now := min(s.clock, window.FromTime(h.opts.Now()))
	return horizon{removed: now.Add(-h.opts.Retention), appended: now.Add(-rememberAppends)}
}

// replay applies the versions after s up to the last.
func (h *history) replay(ctx context.Context, s *state, last int64) error {
	if last-s.number > maxVersionsPerRead {
		return fmt.Errorf("log reaches from version %d to %d, at most %d are read at once", s.number, last, maxVersionsPerRead)
	}
	for from := s.number + 1; from <= last; from += versionsAtOnce {
		if err := h.readRange(ctx, s, from, min(last, from+versionsAtOnce-1)); err != nil {
			return err
		}
	}
	return nil
}

// readRange reads versions at once and applies them in order.
func (h *history) readRange(ctx context.Context, s *state, from, to int64) error {
	versions := make([]*version, to-from+1)
	group, groupCtx := errgroup.WithContext(ctx)
	group.SetLimit(readersAtOnce)
	for i := range versions {
		group.Go(func() (err error) {
			versions[i], err = h.readVersion(groupCtx, from+int64(i))
			return err
		})
	}
	if err := group.Wait(); err != nil {
		if errors.Is(err, bucket.ErrNotFound) {
			return fmt.Errorf("%w: a version is missing: %w", offline.ErrCorrupt, err)
		}
		return err
	}
	for _, v := range versions {
		if err := h.applyTo(s, v); err != nil {
			return err
		}
	}
	return nil
}

// readNext applies the versions after s until one is not there.
func (h *history) readNext(ctx context.Context, s *state) (*state, error) {
	next := s
	for range maxVersionsPerRead {
		v, err := h.readVersion(ctx, next.number+1)
		if errors.Is(err, bucket.ErrNotFound) {
			return next, nil
		}
		if err != nil {
			return nil, err
		}
		if next == s {
			next = s.clone(h.horizon(s))
		}
		if err := h.applyTo(next, v); err != nil {
			return nil, err
		}
	}
	return nil, fmt.Errorf("more than %d versions after %d", maxVersionsPerRead, s.number)
}

func (h *history) readVersion(ctx context.Context, number int64) (*version, error) {
	key := versionKey(h.path, number)
	data, err := h.bucket.Get(ctx, key)
	if err != nil {
		return nil, fmt.Errorf("read log: %w", err)
	}
	v, err := decodeVersion(number, data)
	if err != nil {
		return nil, fmt.Errorf("decode %s: %w", key, err)
	}
	return v, nil
}

func (h *history) applyTo(s *state, v *version) error {
	if err := s.apply(h.layout, v); err != nil {
		return fmt.Errorf("replay %s: %w", versionKey(h.path, v.number), err)
	}
	return nil
}
