package online

import (
	"context"
	"fmt"
	"iter"
	"time"

	"github.com/tilery/tilery/pkg/internal/timelimit"
)

// WithTimeout returns s with a limit on the time of each call, which must be
// positive; of a scan it is on the wait for each cell. What a write whose time ran
// out has done is unknown, as after any error.
//
// A call that heeds no context is left behind when its time is up, and may still
// read what it was given: callers must not change that after an error. With 64
// calls left behind, further ones are refused until some of them end.
func WithTimeout(s Store, limit time.Duration) Store { return limited{s, timelimit.New(limit)} }

type limited struct {
	store Store
	limit *timelimit.Limit
}

// Get implements Store.
func (l limited) Get(ctx context.Context, key Key) (Cell, bool, error) {
	type got struct {
		cell Cell
		ok   bool
	}
	g, err := timelimit.Call(ctx, l.limit, func(ctx context.Context) (g got, err error) {
		g.cell, g.ok, err = l.store.Get(ctx, key)
		return g, err
	})
	return g.cell, g.ok, describe("get a cell", err)
}

// Read implements Store.
func (l limited) Read(ctx context.Context, reads []Read) ([][]Item, error) {
	items, err := timelimit.Call(ctx, l.limit, func(ctx context.Context) ([][]Item, error) { return l.store.Read(ctx, reads) })
	return items, describe("read cells", err)
}

// Write implements Store.
func (l limited) Write(ctx context.Context, writes []Write) ([]bool, error) {
	done, err := timelimit.Call(ctx, l.limit, func(ctx context.Context) ([]bool, error) { return l.store.Write(ctx, writes) })
	return done, describe("write cells", err)
}

// Scan implements Store.
func (l limited) Scan(ctx context.Context, store string) iter.Seq2[Item, error] {
	seq := timelimit.Seq(ctx, l.limit, func(ctx context.Context) iter.Seq2[Item, error] { return l.store.Scan(ctx, store) })
	return func(yield func(Item, error) bool) {
		for item, err := range seq {
			if !yield(item, describe("scan "+store, err)) {
				return
			}
		}
	}
}

// Drop implements Store.
func (l limited) Drop(ctx context.Context, store string) error {
	return l.end(ctx, "drop "+store, func(ctx context.Context) error { return l.store.Drop(ctx, store) })
}

// DropTree implements Store.
func (l limited) DropTree(ctx context.Context, store string) error {
	return l.end(ctx, "drop "+store+" and what is below", func(ctx context.Context) error { return l.store.DropTree(ctx, store) })
}

// Close implements Store. It has the limit too: a call that hangs in the store
// would keep it open for ever.
func (l limited) Close() error {
	//nolint:forbidigo // Close has no context
	return l.end(context.Background(), "close the online store", func(context.Context) error { return l.store.Close() })
}

func (l limited) end(ctx context.Context, op string, call func(context.Context) error) error {
	_, err := timelimit.Call(ctx, l.limit, func(ctx context.Context) (struct{}, error) { return struct{}{}, call(ctx) })
	return describe(op, err)
}

// describe adds to a limit's error what drivers add to their own.
func describe(op string, err error) error {
	if timelimit.GaveUp(err) {
		return fmt.Errorf("%s: %w", op, err)
	}
	return err
}
