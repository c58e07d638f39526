package timelimit

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"sync/atomic"
	"time"
)

var (
	// ErrExceeded is a call whose time ran out. It may have been carried out, and
	// may still be.
	ErrExceeded = errors.New("no answer in time")
	// ErrHanging is a call that was not begun because too many others hang.
	ErrHanging = errors.New("too many earlier calls hang")
)

const (
	// maxLeft bounds the calls that are left behind.
	maxLeft = 64
	// grace is what a call gets to say that its context has ended. Only one that
	// heeds no context is left behind.
	grace = time.Second
)

// Limit bounds the calls to one store. It is safe for concurrent use.
type Limit struct {
	each time.Duration
	left atomic.Int64
}

// New returns a limit on the time of each call, which must be positive.
func New(each time.Duration) *Limit { return &Limit{each: each} }

// GaveUp reports whether err stems from a limit and not from the store.
func GaveUp(err error) bool { return errors.Is(err, ErrExceeded) || errors.Is(err, ErrHanging) }

type answer[T any] struct {
	value T
	err   error
}

// Call returns what call does, ErrExceeded when its time runs out, or ctx's error
// when that has ended and call does not say so itself.
func Call[T any](ctx context.Context, l *Limit, call func(context.Context) (T, error)) (T, error) {
	return CallOrDrop(ctx, l, call, func(T) {})
}

// CallOrDrop is Call for values that hold a resource: one that comes after the
// caller has gone, and no error with it, is given to drop.
func CallOrDrop[T any](ctx context.Context, l *Limit, call func(context.Context) (T, error), drop func(T)) (T, error) {
	var none T
	if l.left.Load() >= maxLeft {
		return none, ErrHanging
	}
	limited, cancel := context.WithTimeout(ctx, l.each)
	defer cancel()
	answers := make(chan answer[T], 1)
	go func() {
		value, err := call(limited)
		answers <- answer[T]{value, err}
	}()
	got, ok := await(limited, answers)
	if !ok {
		l.leave(func() {
			if late := <-answers; late.err == nil {
				drop(late.value)
			}
		})
		return none, l.ended(ctx)
	}
	if errors.Is(got.err, context.DeadlineExceeded) && limited.Err() != nil {
		return none, l.ended(ctx)
	}
	return got.value, got.err
}

// await returns the answer, if it comes before ctx has ended or soon after.
func await[T any](ctx context.Context, answers <-chan answer[T]) (a answer[T], ok bool) {
	select {
	case a, ok = <-answers:
		return a, ok
	case <-ctx.Done():
	}
	timer := time.NewTimer(grace)
	defer timer.Stop()
	select {
	case a, ok = <-answers:
		return a, ok
	case <-timer.C:
		return a, false
	}
}

// ended is the error of a call that was given up.
func (l *Limit) ended(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	return fmt.Errorf("%w (%v)", ErrExceeded, l.each)
}

// leave counts a call as left behind until wait returns.
func (l *Limit) leave(wait func()) {
	l.left.Add(1)
	go func() {
		defer l.left.Add(-1)
		wait()
	}()
}

// Seq yields what seq does. The limit is on the wait for each item, not on the
// whole, nor on what the consumer does with it. Items must hold no resource.
func Seq[T any](ctx context.Context, l *Limit, seq func(context.Context) iter.Seq2[T, error]) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		var none T
		if l.left.Load() >= maxLeft {
			yield(none, ErrHanging)
			return
		}
		inner, cancel := context.WithCancel(ctx)
		items, done, gone := make(chan answer[T]), make(chan struct{}), make(chan struct{})
		go func() {
			defer close(done)
			produce(seq(inner), items, gone)
		}()
		defer func() {
			close(gone)
			cancel()
			l.finish(done)
		}()
		timer := time.NewTimer(l.each)
		defer timer.Stop()
		for {
			timer.Reset(l.each)
			select {
			case i := <-items:
				// It may have been read ahead, before the context ended.
				if i.err == nil && ctx.Err() != nil {
					i = answer[T]{err: ctx.Err()}
				}
				if !yield(i.value, i.err) || i.err != nil {
					return
				}
			case <-done:
				return
			case <-timer.C:
				yield(none, l.ended(ctx))
				return
			}
		}
	}
}

// produce sends what seq yields until the consumer is gone. The end of the
// context is for seq to report: were it looked at here, an error could get lost
// and a cut off sequence pass for a whole one.
func produce[T any](seq iter.Seq2[T, error], items chan<- answer[T], gone <-chan struct{}) {
	for value, err := range seq {
		select {
		case items <- answer[T]{value, err}:
		case <-gone:
			return
		}
	}
}

// finish waits for a producer whose context has ended.
func (l *Limit) finish(done <-chan struct{}) {
	timer := time.NewTimer(grace)
	defer timer.Stop()
	select {
	case <-done:
	case <-timer.C:
		l.leave(func() { <-done })
	}
}
