package online_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tilery/tilery/pkg/online"
	"github.com/tilery/tilery/pkg/online/onlinetest"
	"github.com/tilery/tilery/pkg/online/pebble"
)

func TestAStoreWithATimeoutConforms(t *testing.T) {
	onlinetest.Run(t, func(t *testing.T) online.Store {
		s, err := pebble.Open(t.TempDir(), pebble.Options{})
		require.NoError(t, err)
		return online.WithTimeout(s, time.Minute)
	})
}

// silent is a store that never answers, and heeds no context.
type silent struct {
	online.Store
	release chan struct{}
}

func (s silent) Close() error { <-s.release; return nil }

func TestEveryCallThatHangsEndsInTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		inner := silent{release: make(chan struct{})}
		hang := func(string) onlinetest.Fault { return onlinetest.Hang }
		s := online.WithTimeout(onlinetest.Faulty{Store: inner, Hook: hang}, time.Minute)
		for name, call := range map[string]func(context.Context) error{
			"get a cell":  func(ctx context.Context) error { _, _, err := s.Get(ctx, online.Key{}); return err },
			"read cells":  func(ctx context.Context) error { _, err := s.Read(ctx, nil); return err },
			"write cells": func(ctx context.Context) error { _, err := s.Write(ctx, nil); return err },
			"drop s":      func(ctx context.Context) error { return s.Drop(ctx, "s") },
			"scan s": func(ctx context.Context) error {
				for _, err := range s.Scan(ctx, "s") {
					return err
				}
				return nil
			},
		} {
			began := time.Now()
			err := call(t.Context())
			require.ErrorContains(t, err, name+": no answer in time")
			require.NotErrorIs(t, err, context.DeadlineExceeded)
			require.Equal(t, time.Minute, time.Since(began))
		}
		require.ErrorContains(t, s.Close(), "close the online store: no answer in time")
		close(inner.release)
	})
}
