package bucket

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"
)

// ErrUnknown says that a claim, or a write with a time limit, has ended without an
// answer: the object may be there, or may still appear. An error that wraps it
// never wraps ErrExists.
var ErrUnknown = errors.New("outcome unknown")

const (
	claimAttempts = 8
	claimTimeout  = 30 * time.Second // of one call; a connection that hangs must not use up all of ctx
	claimMinPause = 20 * time.Millisecond
	claimMaxPause = time.Second
)

// Claim is PutIfAbsent with answers that can be trusted. It returns nil if the
// object holds data, durably; ErrExists if it holds other bytes; ErrUnknown, with
// ctx's error if that has ended, if no answer was to be had in 8 attempts.
//
// Data must contain an id unique to this call: equal bytes are taken as proof that
// an earlier attempt of this very call succeeded unheard. After ErrUnknown the
// claim may be repeated with the same data. While claims for a key can be under way,
// nothing may delete or overwrite its object.
func Claim(ctx context.Context, b Bucket, key string, data []byte) error {
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("claim %s: %w", key, err)
	}
	var last error
	for attempt := range claimAttempts {
		if attempt > 0 && !pause(ctx, attempt) {
			break
		}
		var settled bool
		if settled, last = claimOnce(ctx, b, key, data); settled {
			return last
		}
	}
	// The cause goes in as text: it can be the ErrExists of a put whose object could
	// not be read, and that must not pass for an answer.
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("claim %s: %w: %w: %s", key, ErrUnknown, err, last.Error())
	}
	return fmt.Errorf("claim %s: %w: %s", key, ErrUnknown, last.Error())
}

// claimOnce puts and, unless that succeeds, reads. It reports whether err is the
// answer; if not, the object is absent or could not be read.
func claimOnce(ctx context.Context, b Bucket, key string, data []byte) (settled bool, err error) {
	putErr := within(ctx, func(ctx context.Context) error {
		return b.PutIfAbsent(ctx, key, data)
	})
	switch {
	case putErr == nil:
		return true, nil
	case errors.Is(putErr, ErrInvalidKey), errors.Is(putErr, ErrTooLarge):
		return true, fmt.Errorf("claim: %w", putErr)
	}
	var stored []byte
	readErr := within(ctx, func(ctx context.Context) error {
		var err error
		stored, err = b.Get(ctx, key)
		return err
	})
	switch {
	case readErr == nil && bytes.Equal(stored, data):
		return true, nil
	case readErr == nil, errors.Is(readErr, ErrTooLarge): // data itself is not too large
		return true, fmt.Errorf("claim %s: %w", key, ErrExists)
	case errors.Is(readErr, ErrNotFound):
		return false, putErr
	}
	return false, readErr
}

func within(ctx context.Context, call func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, claimTimeout)
	defer cancel()
	return call(ctx)
}

// pause waits before the given attempt, 1 or more, and reports whether ctx goes on.
// Claimers of one key that failed together must not come back together: hence jitter.
func pause(ctx context.Context, attempt int) bool {
	limit := min(claimMinPause<<(attempt-1), claimMaxPause)
	timer := time.NewTimer(limit/2 + rand.N(limit/2))
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
