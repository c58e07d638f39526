package bucket

import (
	"context"
	"errors"
	"fmt"

	"github.com/tilery/tilery/pkg/internal/timelimit"
)

// Create implements Bucket. The upload has a context of its own, since that of
// the call ends when the call does.
func (l limited) Create(ctx context.Context, key string) (Writer, error) {
	upload, cancel := context.WithCancelCause(ctx)
	w, err := timelimit.CallOrDrop(ctx, l.limit, func(ctx context.Context) (Writer, error) {
		defer cancelWith(ctx, cancel)()
		return l.bucket.Create(upload, key)
	}, Writer.Abort)
	if err != nil {
		err = describe("create", key, asTimeout(upload, err))
		cancel(nil)
		return nil, err
	}
	return &limitedWriter{ctx: ctx, upload: upload, cancel: cancel, limit: l.limit, key: key, writer: w}, nil
}

// cancelWith ends an upload when the context of a call to it ends, unless the
// function that it returns comes first.
func cancelWith(call context.Context, cancel context.CancelCauseFunc) (stop func()) {
	undo := context.AfterFunc(call, func() { cancel(timelimit.ErrExceeded) })
	return func() { undo() }
}

// asTimeout tells what an error of an upload stands for that was cancelled because
// a call's time ran out.
func asTimeout(upload context.Context, err error) error {
	if cause := context.Cause(upload); timelimit.GaveUp(cause) && !timelimit.GaveUp(err) {
		return fmt.Errorf("%w: %w", cause, err)
	}
	return err
}

type limitedWriter struct {
	ctx    context.Context // of Create
	upload context.Context // ends with ctx, and with a call whose time ran out
	cancel context.CancelCauseFunc
	limit  *timelimit.Limit
	key    string
	writer Writer

	// buffer is what the store's Write is given: one that is left behind must not
	// read the caller's memory.
	buffer []byte
	failed error // of the last call that the limit ended
	left   bool  // that call is still under way, and aborts the upload when it ends
}

// Write implements Writer.
func (w *limitedWriter) Write(p []byte) (int, error) {
	if !w.left {
		w.buffer = append(w.buffer[:0], p...)
	}
	return w.call("write", func() (int, error) { return w.writer.Write(w.buffer) })
}

// Close implements Writer.
func (w *limitedWriter) Close() error {
	_, err := w.call("close", func() (int, error) { return 0, w.writer.Close() })
	w.cancel(nil)
	if timelimit.GaveUp(err) {
		return fmt.Errorf("%w: %w", ErrUnknown, err)
	}
	return err
}

// Abort implements Writer.
func (w *limitedWriter) Abort() {
	w.cancel(nil)
	if w.left {
		return
	}
	_, err := w.call("abort", func() (int, error) { w.writer.Abort(); return 0, nil })
	if errors.Is(err, timelimit.ErrHanging) {
		go w.writer.Abort() // not begun; as many may hang as there are uploads
		w.left = true
	}
}

// call makes one call to the store's writer, and none while an earlier one is
// still under way.
func (w *limitedWriter) call(op string, call func() (int, error)) (int, error) {
	type result struct {
		n   int
		err error
	}
	if w.left {
		return 0, w.failed
	}
	got, err := timelimit.CallOrDrop(w.ctx, w.limit, func(ctx context.Context) (result, error) {
		defer cancelWith(ctx, w.cancel)()
		n, err := call()
		return result{n, err}, nil
	}, func(result) { w.writer.Abort() })
	switch {
	case err != nil:
		w.left = !errors.Is(err, timelimit.ErrHanging)
		w.failed = describe(op, w.key, err)
		return 0, w.failed
	case got.err != nil:
		return got.n, describe(op, w.key, asTimeout(w.upload, got.err))
	}
	return got.n, nil
}
