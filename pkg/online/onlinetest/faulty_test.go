package onlinetest_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tilery/tilery/pkg/online"
	"github.com/tilery/tilery/pkg/online/onlinetest"
	"github.com/tilery/tilery/pkg/online/pebble"
)

func openStore(t *testing.T) online.Store {
	s, err := pebble.Open(t.TempDir(), pebble.Options{})
	require.NoError(t, err)
	return s
}

func TestFaultyWithoutFaultsConforms(t *testing.T) {
	onlinetest.Run(t, func(t *testing.T) online.Store { return onlinetest.Faulty{Store: openStore(t)} })
}

func TestFaults(t *testing.T) {
	t.Parallel()
	s := openStore(t)
	defer s.Close()
	var fault onlinetest.Fault
	var asked string
	faulty := onlinetest.Faulty{Store: s, Hook: func(op string) onlinetest.Fault {
		asked = op
		return fault
	}}
	key := online.Key{Store: "s", Kind: online.KindStatus}
	write := []online.Write{{Key: key, Cell: online.Cell{Version: 1}, Condition: online.IfVersion}}
	there := func() bool {
		_, ok, err := s.Get(t.Context(), key)
		require.NoError(t, err)
		return ok
	}
	calls := map[string]func(ctx context.Context) error{
		"get": func(ctx context.Context) error { _, _, err := faulty.Get(ctx, key); return err },
		"read": func(ctx context.Context) error {
			_, err := faulty.Read(ctx, []online.Read{{Store: "s"}})
			return err
		},
		"write":     func(ctx context.Context) error { _, err := faulty.Write(ctx, write); return err },
		"drop":      func(ctx context.Context) error { return faulty.Drop(ctx, "s") },
		"drop tree": func(ctx context.Context) error { return faulty.DropTree(ctx, "s") },
		"scan": func(ctx context.Context) (last error) {
			for _, last = range faulty.Scan(ctx, "s") {
			}
			return last
		},
	}
	for op, call := range calls {
		for _, c := range []struct {
			fault   onlinetest.Fault
			want    error
			carried bool
		}{
			{onlinetest.None, nil, true},
			{onlinetest.Before, onlinetest.ErrInjected, false},
			{onlinetest.After, onlinetest.ErrInjected, true},
			{onlinetest.Hang, context.Canceled, false},
		} {
			require.NoError(t, s.Drop(t.Context(), "s"))
			if strings.HasPrefix(op, "drop") {
				_, err := s.Write(t.Context(), write)
				require.NoError(t, err)
			}
			ctx, cancel := context.WithCancel(t.Context())
			if c.fault == onlinetest.Hang {
				cancel()
			}
			fault = c.fault
			require.ErrorIs(t, call(ctx), c.want, "%s with fault %d", op, c.fault)
			require.Equal(t, op, asked)
			switch op {
			case "write":
				require.Equal(t, c.carried, there())
			case "drop", "drop tree":
				require.Equal(t, !c.carried, there())
			}
			cancel()
		}
	}
}

func TestHangAfterIsCarriedOut(t *testing.T) {
	t.Parallel()
	s := openStore(t)
	defer s.Close()
	faulty := onlinetest.Faulty{Store: s, Hook: func(string) onlinetest.Fault { return onlinetest.HangAfter }}
	key := online.Key{Store: "s", Kind: online.KindStatus}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	failed := make(chan error, 1)
	go func() {
		_, err := faulty.Write(ctx, []online.Write{{Key: key, Cell: online.Cell{Version: 1}, Condition: online.IfVersion}})
		failed <- err
	}()
	require.Eventually(t, func() bool {
		_, ok, err := s.Get(t.Context(), key)
		return ok && err == nil
	}, 10*time.Second, time.Millisecond)
	require.Empty(t, failed)
	cancel()
	require.ErrorIs(t, <-failed, context.Canceled)
}
