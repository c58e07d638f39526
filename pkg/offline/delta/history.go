package delta

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/tilery/tilery/pkg/bucket"
	"github.com/tilery/tilery/pkg/offline"
)

// Bounds of one reading of the log.
const (
	maxVersionsPerRead = 1 << 20
	versionsAtOnce     = 64 // read ahead, not yet applied
	readersAtOnce      = 8
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
}

func newHistory(b bucket.Bucket, opts Options, spec offline.Spec, l *layout) *history {
	h := &history{bucket: b, opts: opts, path: spec.Path, layout: l, gate: make(chan struct{}, 1), state: newState(spec)}
	h.gate <- struct{}{}
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
	next := h.state
	var err error
	if relist || began.Sub(h.listedAt) >= h.opts.SnapshotAge {
		if next, err = h.readListed(ctx, next); err != nil {
			return nil, err
		}
		h.listedAt = began
	}
	if next, err = h.readNext(ctx, next); err != nil {
		return nil, err
	}
	h.state = next
	return next, nil
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
func (h *history) readListed(ctx context.Context, s *state) (*state, error) {
	last, err := h.list(ctx, s)
	if err != nil || last == s.number {
		return s, err
	}
	next := s.clone()
	for from := s.number + 1; from <= last; from += versionsAtOnce {
		if err := h.readRange(ctx, next, from, min(last, from+versionsAtOnce-1)); err != nil {
			return nil, err
		}
	}
	return next, nil
}

// list returns the last version in the log, the one of s if none came after it.
func (h *history) list(ctx context.Context, s *state) (last int64, err error) {
	after := ""
	if s.number >= 0 {
		after = versionKey(h.path, s.number)
	}
	last = s.number
	checkpoint := false
	for info, err := range h.bucket.List(ctx, logFolder(h.path), after) {
		if err != nil {
			return 0, fmt.Errorf("list log: %w", err)
		}
		checkpoint = checkpoint || strings.Contains(info.Key[len(logFolder(h.path)):], "checkpoint")
		number, ok := parseVersionKey(h.path, info.Key)
		if !ok {
			continue
		}
		last = number
		if last-s.number > maxVersionsPerRead {
			return 0, fmt.Errorf("log reaches to version %d, at most %d are read at once", last, maxVersionsPerRead)
		}
	}
	if s.number < 0 && checkpoint {
		if _, err := h.readVersion(ctx, 0); errors.Is(err, bucket.ErrNotFound) {
			return 0, fmt.Errorf("%w: the first versions were cleaned away, and checkpoints cannot be read", offline.ErrHistoryGone)
		}
	}
	return last, nil
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
			next = s.clone()
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
