package erase_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tilery/tilery/pkg/erase"
	"github.com/tilery/tilery/pkg/keyset"
	"github.com/tilery/tilery/pkg/offline"
	"github.com/tilery/tilery/pkg/online"
)

// forgetful is an offline store whose tables do not erase the first of the keys.
type forgetful struct{ offline.Store }

type forgetfulTable struct{ offline.Table }

func (f forgetful) Open(ctx context.Context, spec offline.Spec) (offline.Table, error) {
	table, err := f.Store.Open(ctx, spec)
	return forgetfulTable{table}, err
}

func (f forgetfulTable) Erase(ctx context.Context, e offline.Erasure) (offline.Erased, error) {
	var rest [][]byte
	for i := range e.Keys.Len() - 1 {
		rest = append(rest, e.Keys.Key(i+1))
	}
	e.Rewrites = nil
	var err error
	if e.Keys, err = keyset.New(rest); err != nil {
		return offline.Erased{}, err
	}
	return f.Table.Erase(ctx, e)
}

// lazy is an online store that leaves the cells of an entity as they are.
type lazy struct {
	online.Store
	entity string
}

func (l lazy) Write(ctx context.Context, writes []online.Write) ([]bool, error) {
	var others []online.Write
	for _, w := range writes {
		if string(w.Key.Entity) != l.entity {
			others = append(others, w)
		}
	}
	if len(others) > 0 {
		if _, err := l.Store.Write(ctx, others); err != nil {
			return nil, err
		}
	}
	return make([]bool, len(writes)), nil
}

func TestAVerificationFindsARowThatWasLeft(t *testing.T) {
	t.Parallel()
	for _, kind := range kinds {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			s := newFilled(t, kind, randomEvents(2, 300, 12))
			s.engine.Views.Offline = forgetful{s.engine.Views.Offline}
			d := s.plan(s.stage(both, 1, 2))
			d.erase()
			_, err := d.verify(0)
			require.ErrorIs(t, err, erase.ErrFound)
			require.NotContains(t, err.Error(), nameOf(1))
			require.NotContains(t, err.Error(), nameOf(2))
		})
	}
}

func TestAVerificationFindsACellThatWasLeft(t *testing.T) {
	t.Parallel()
	for _, kind := range kinds {
		for _, request := range []erase.Request{{Online: true}, both} {
			t.Run(kind, func(t *testing.T) {
				t.Parallel()
				s := newFilled(t, kind, randomEvents(2, 300, 12))
				s.engine.Views.Online = lazy{s.engine.Views.Online, s.key(1)}
				d := s.plan(s.stage(request, 1, 2))
				d.erase()
				_, err := d.verify(0)
				require.ErrorIs(t, err, erase.ErrFound)
				require.NotContains(t, err.Error(), nameOf(1))
			})
		}
	}
}

func TestNothingIsVerifiedThatWasNotErased(t *testing.T) {
	t.Parallel()
	s := newFilled(t, rowsByName, randomEvents(2, 100, 12))
	d := s.plan(s.stage(both, 1, 2))
	_, err := d.verify(0)
	require.ErrorContains(t, err, "were not erased before")
	_, err = s.engine.EraseOnline(t.Context(), d.staged, d.plan, 0, s.product(), nil)
	require.ErrorContains(t, err, "were not erased before")
	_, err = s.engine.Verify(t.Context(), d.staged, d.plan, 3, 1, s.product(), nil)
	require.ErrorContains(t, err, "has 3 stores, none of number 3")
	_, err = s.plan(s.stage(erase.Request{Online: true}, 1, 2)).verify(0)
	require.ErrorContains(t, err, "were not erased before")
}
