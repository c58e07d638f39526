package ingest

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/tilery/tilery/pkg/registry"
)

// maxSwept bounds the objects that one Sweep removes.
const maxSwept = 10_000

// Discard removes a staged frame and what was made on the way; what was committed stays.
// So does the ticket, until Sweep, by which nothing else is staged at the path: its job
// has ended, and would be taken for that of the next.
func (e *Engine) Discard(ctx context.Context, f Frame) error {
	p, err := f.place()
	if err != nil {
		return err
	}
	var keys []string
	for info, err := range e.Bucket.List(ctx, p.path()+"/", "") {
		if err != nil {
			return fmt.Errorf("discard %s: %w", f.Path, err)
		}
		if info.Key != p.ticketKey() {
			keys = append(keys, info.Key)
		}
	}
	return e.remove(ctx, keys)
}

func (e *Engine) remove(ctx context.Context, keys []string) error {
	for _, key := range keys {
		if err := e.Bucket.Delete(ctx, key); err != nil {
			return fmt.Errorf("remove %s: %w", key, err)
		}
	}
	return nil
}

// Sweep removes frames of a workspace whose newest object was put before a time, by the
// bucket's clock: they were never ingested, or their ingest ended without a success. The
// time must lie further back than any ingest may take. It also removes what is no longer
// needed of the order of ingests. A call removes about 10,000 objects; removed counts frames.
func (e *Engine) Sweep(ctx context.Context, workspace string, before time.Time) (removed int64, err error) {
	if err := registry.CheckWorkspace(workspace); err != nil {
		return 0, err
	}
	s := &sweep{engine: e, before: before}
	for info, err := range e.Bucket.List(ctx, root+workspace+"/", "") {
		if err != nil {
			return s.frames, fmt.Errorf("sweep data frames of %s: %w", workspace, err)
		}
		if err := s.add(ctx, info.Key, info.ModTime); err != nil {
			return s.frames, err
		}
		if s.objects >= maxSwept {
			return s.frames, nil
		}
	}
	return s.frames, s.end(ctx)
}

// sweep gathers the objects of a folder, all of which follow each other.
type sweep struct {
	engine  *Engine
	before  time.Time
	folder  string
	keys    []string
	newest  time.Time
	objects int
	frames  int64
}

func (s *sweep) add(ctx context.Context, key string, at time.Time) error {
	if folder := key[:strings.LastIndexByte(key, '/')+1]; folder != s.folder {
		if err := s.end(ctx); err != nil {
			return err
		}
		s.folder, s.keys, s.newest = folder, nil, time.Time{}
	}
	if strings.HasSuffix(s.folder, "/order/") {
		return s.turn(ctx, key, at)
	}
	s.keys = append(s.keys, key)
	if at.After(s.newest) {
		s.newest = at
	}
	return nil
}

// turn keeps the first object of an order, which is its newest number: the next follows
// from it. Another one goes once no claim of it can be under way.
func (s *sweep) turn(ctx context.Context, key string, at time.Time) error {
	if s.newest.IsZero() {
		s.newest = at
		return nil
	}
	if !at.Before(s.before) {
		return nil
	}
	s.objects++
	return s.engine.remove(ctx, []string{key})
}

// end removes the frame of the folder if it is old.
func (s *sweep) end(ctx context.Context) error {
	if len(s.keys) == 0 || !s.newest.Before(s.before) {
		return nil
	}
	s.frames++
	s.objects += len(s.keys)
	return s.engine.remove(ctx, s.keys)
}
