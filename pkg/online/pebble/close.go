package pebble

import (
	"context"
	"errors"
	"fmt"

	"github.com/cockroachdb/pebble/v2"

	"github.com/tilery/tilery/pkg/online"
)

var errClosed = errors.New("online store is closed")

// Close implements online.Store. It waits for the calls under way.
func (s *Store) Close() error {
	s.inUse.Lock()
	defer s.inUse.Unlock()
	if s.closed {
		return errClosed
	}
	s.closed = true
	return errors.Join(s.db.Close(), s.lock.Close())
}

// acquire keeps the store open until inUse.RUnlock. No call holds it while the
// caller's own code runs, so Close cannot wait for itself.
func (s *Store) acquire(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	s.inUse.RLock()
	if s.closed {
		s.inUse.RUnlock()
		return errClosed
	}
	return nil
}

// damage marks what pebble found damaged on disk.
func damage(err error) error {
	if err != nil && pebble.IsCorruptionError(err) {
		return fmt.Errorf("%w: %w", online.ErrDamaged, err)
	}
	return err
}
