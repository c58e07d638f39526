package onlinetest

import (
	"context"
	"errors"
	"iter"

	"github.com/tilery/tilery/pkg/online"
)

// ErrInjected is the error of a call that a Faulty store was told to fail.
var ErrInjected = errors.New("injected fault")

// Fault says how a call fails.
type Fault int

// The faults.
const (
	None      Fault = iota
	Before          // fails without being carried out
	After           // is carried out, and its answer lost
	Hang            // is not carried out, and returns when its context ends
	HangAfter       // is carried out, and returns when its context ends
)

// Faulty is a store that fails where Hook says so. Close never fails.
type Faulty struct {
	online.Store
	// Hook is asked once for each call of "get", "read", "write", "scan" and
	// "drop", "drop tree". It must be safe for concurrent use. Nil: nothing fails.
	Hook func(op string) Fault
}

var _ online.Store = Faulty{}

// Get implements online.Store.
func (f Faulty) Get(ctx context.Context, key online.Key) (cell online.Cell, ok bool, err error) {
	err = f.call(ctx, "get", func() error {
		cell, ok, err = f.Store.Get(ctx, key)
		return err
	})
	if err != nil {
		return online.Cell{}, false, err
	}
	return cell, ok, nil
}

// Read implements online.Store.
func (f Faulty) Read(ctx context.Context, reads []online.Read) (items [][]online.Item, err error) {
	err = f.call(ctx, "read", func() error {
		items, err = f.Store.Read(ctx, reads)
		return err
	})
	if err != nil {
		return nil, err
	}
	return items, nil
}

// Write implements online.Store.
func (f Faulty) Write(ctx context.Context, writes []online.Write) (done []bool, err error) {
	err = f.call(ctx, "write", func() error {
		done, err = f.Store.Write(ctx, writes)
		return err
	})
	if err != nil {
		return nil, err
	}
	return done, nil
}

// Scan implements online.Store. With After it fails behind the last item.
func (f Faulty) Scan(ctx context.Context, store string) iter.Seq2[online.Item, error] {
	return func(yield func(online.Item, error) bool) {
		left := false
		err := f.call(ctx, "scan", func() error {
			for item, err := range f.Store.Scan(ctx, store) {
				if left = !yield(item, err); left || err != nil {
					left = true
					return nil
				}
			}
			return nil
		})
		if err != nil && !left {
			yield(online.Item{}, err)
		}
	}
}

// Drop implements online.Store.
func (f Faulty) Drop(ctx context.Context, store string) error {
	return f.call(ctx, "drop", func() error { return f.Store.Drop(ctx, store) })
}

// DropTree implements online.Store.
func (f Faulty) DropTree(ctx context.Context, store string) error {
	return f.call(ctx, "drop tree", func() error { return f.Store.DropTree(ctx, store) })
}

func (f Faulty) call(ctx context.Context, op string, do func() error) error {
	fault := None
	if f.Hook != nil {
		fault = f.Hook(op)
	}
	switch fault {
	case Before:
		return ErrInjected
	case Hang:
		<-ctx.Done()
		return ctx.Err()
	}
	if err := do(); err != nil {
		return err
	}
	switch fault {
	case After:
		return ErrInjected
	case HangAfter:
		<-ctx.Done()
		return ctx.Err()
	}
	return nil
}
