package erase_test

import (
	"context"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tilery/tilery/pkg/online"
)

// paused is an online store that waits with its second Get: an applier that has read the
// status, and what it is to write, is about to write it.
type paused struct {
	online.Store
	gets    *atomic.Int64
	reached chan struct{}
	goOn    chan struct{}
}

func (p paused) Get(ctx context.Context, key online.Key) (online.Cell, bool, error) {
	if p.gets.Add(1) == 2 {
		close(p.reached)
		<-p.goOn
	}
	return p.Store.Get(ctx, key)
}

func TestAnApplierThatGoesOnAfterADeletionBringsNothingBack(t *testing.T) {
	t.Parallel()
	for _, kind := range kinds {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			s := newFilled(t, kind, randomEvents(8, 300, 12))
			serving := s.stores().Serving
			full := s.contents(serving)
			s.commit(serving, s.build(serving, 1), s.build(serving, 3)) // which it is to follow

			p := paused{s.engine.Views.Online, new(atomic.Int64), make(chan struct{}), make(chan struct{})}
			views := *s.engine.Views
			views.Online = p
			applied := make(chan error)
			go func() {
				_, err := views.Apply(t.Context(), serving, s.table(serving), nil)
				applied <- err
			}()
			<-p.reached
			s.delete(both, 1, 2)
			close(p.goOn)
			require.NoError(t, <-applied)
			require.Equal(t, full.without(s.keys([]int{1, 2})), s.contents(serving))
		})
	}
}
