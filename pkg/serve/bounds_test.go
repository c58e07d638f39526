package serve_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tilery/tilery/pkg/api"
	"github.com/tilery/tilery/pkg/online"
	"github.com/tilery/tilery/pkg/online/onlinetest"
	"github.com/tilery/tilery/pkg/serve"
	"github.com/tilery/tilery/pkg/window"
)

func TestRequestsBeyondTheSlotsAreRefusedAtOnce(t *testing.T) {
	t.Parallel()
	s := newFilled(t)
	entered, release := make(chan struct{}), make(chan struct{})
	server := s.with(func(o *serve.Options) {
		o.MaxConcurrent = 1
		o.FeaturesTimeout = time.Minute
		o.Online = changedStore{s.options.Online, func(ctx context.Context, reads []online.Read) ([][]online.Item, error) {
			entered <- struct{}{}
			<-release
			return s.options.Online.Read(ctx, reads)
		}}
	})
	first := make(chan int)
	go func() {
		w := httptest.NewRecorder()
		server.ServeHTTP(w, httptest.NewRequest(http.MethodPost, api.GetFeaturesPath, strings.NewReader(ask(1, ""))))
		first <- w.Code
	}()
	<-entered
	status, body := post(t, server, api.GetFeaturesPath, ask(1, ""))
	require.Equal(t, 429, status)
	const text = "GetFeatures exceeded the concurrent request limit, please retry later"
	require.Equal(t, `{"error":"`+text+`","message":"`+text+`","code":8}`+"\n", body)
	release <- struct{}{}
	require.Equal(t, 200, <-first)

	go func() { <-entered; release <- struct{}{} }()
	status, _ = post(t, server, api.GetFeaturesPath, ask(1, ""))
	require.Equal(t, 200, status, "the slot is free again")
}

func TestAStoreThatDoesNotAnswerIsATimeout(t *testing.T) {
	t.Parallel()
	s := newFilled(t)
	for _, op := range []string{"get", "read"} {
		server := s.with(func(o *serve.Options) {
			o.FeaturesTimeout = time.Millisecond
			o.Online = onlinetest.Faulty{Store: s.options.Online, Hook: func(call string) onlinetest.Fault {
				if call == op {
					return onlinetest.Hang
				}
				return onlinetest.None
			}}
		})
		status, body := post(t, server, api.GetFeaturesPath, ask(1, ""))
		require.Equal(t, 504, status)
		require.Equal(t, `{"error":"Timed out","message":"Timed out","code":4}`+"\n", body)
	}
}

func TestACallerThatSendsSlowlyLosesItsSlot(t *testing.T) {
	t.Parallel()
	s := newFilled(t)
	server := httptest.NewServer(s.with(func(o *serve.Options) {
		o.MaxConcurrent = 1
		o.FeaturesTimeout = 200 * time.Millisecond
	}))
	defer server.Close()
	slow, err := net.Dial("tcp", server.Listener.Addr().String())
	require.NoError(t, err)
	defer slow.Close()
	_, err = fmt.Fprintf(slow, "POST %s HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{", api.GetFeaturesPath)
	require.NoError(t, err)
	answer, err := http.ReadResponse(bufio.NewReader(slow), nil)
	require.NoError(t, err)
	defer answer.Body.Close()
	require.Equal(t, 504, answer.StatusCode)

	for range 2 { // on one connection: the deadline does not outlive its request
		answer, err := server.Client().Post(server.URL+api.GetFeaturesPath, "application/json", strings.NewReader(ask(1, "")))
		require.NoError(t, err)
		_, err = io.Copy(io.Discard, answer.Body)
		require.NoError(t, err)
		require.NoError(t, answer.Body.Close())
		require.Equal(t, 200, answer.StatusCode)
	}
}

const internalError = `{"error":"internal error; the server's log has the cause","message":"internal error; the server's log has the cause","code":13}` + "\n"

func TestAnErrorOfTheStoreIsLoggedAndNotTold(t *testing.T) {
	t.Parallel()
	s := newFilled(t)
	server := s.with(func(o *serve.Options) {
		o.Online = changedStore{s.options.Online, func(context.Context, []online.Read) ([][]online.Item, error) {
			return nil, errors.New("disk 7 is on fire")
		}}
	})
	status, body := post(t, server, api.GetFeaturesPath, ask(1, ""))
	require.Equal(t, 500, status)
	require.Equal(t, internalError, body)
	require.Contains(t, s.log.String(), "disk 7 is on fire")
	require.Contains(t, s.log.String(), api.GetFeaturesPath)
}

// damage rewrites the one cell that user 1 has.
func (s *scene) damage(change func(value []byte) []byte) (restore func()) {
	s.t.Helper()
	ctx := s.t.Context()
	for item, err := range s.engine.Online.Scan(ctx, s.cellStore()) {
		require.NoError(s.t, err)
		status, _ := s.features(1, "")
		require.Equal(s.t, 200, status)
		put := func(value []byte) {
			item.Cell.Value = value
			done, err := s.engine.Online.Write(ctx, []online.Write{{Key: item.Key, Cell: item.Cell, Condition: online.IfNotNewer}})
			require.NoError(s.t, err)
			require.Equal(s.t, []bool{true}, done)
		}
		whole := item.Cell.Value
		put(change(append([]byte(nil), whole...)))
		return func() { put(whole) }
	}
	s.t.Fatal("no cell")
	return nil
}

func (s *scene) cellStore() string {
	s.t.Helper()
	target, err := s.engine.Target(s.t.Context(), "prod", 0, "spending")
	require.NoError(s.t, err)
	status, _, ok, err := online.ReadStatus(s.t.Context(), s.engine.Online, target.Store())
	require.NoError(s.t, err)
	require.True(s.t, ok)
	return target.CellStore(status.Epoch)
}

func TestADamagedCellIsAnErrorNeverAValue(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	s.apply(0, nil)
	s.write([]event{{user: 1, at: start, n: ptr(int64(1)), label: ptr("x")}})
	s.materialize(0, 1)
	state := func(value []byte) []byte { // of the only tile
		for tile, err := range online.Tiles(value) {
			require.NoError(t, err)
			return tile.State
		}
		return nil
	}
	tiles := func(tiles ...online.Tile) []byte {
		value, err := online.AppendTiles(nil, tiles)
		require.NoError(t, err)
		return value
	}
	for name, change := range map[string]func([]byte) []byte{
		"empty":                    func([]byte) []byte { return nil },
		"another version":          func(v []byte) []byte { v[0]++; return v },
		"cut":                      func(v []byte) []byte { return v[:len(v)-1] },
		"a state with more bytes":  func(v []byte) []byte { return tiles(online.Tile{State: append(state(v), 0)}) },
		"a state with fewer bytes": func(v []byte) []byte { return tiles(online.Tile{State: state(v)[:2]}) },
		"a tile behind the block":  func(v []byte) []byte { return tiles(online.Tile{Index: 24, State: state(v)}) },
		"a tile far away":          func(v []byte) []byte { return tiles(online.Tile{Index: 1<<32 - 1, State: state(v)}) },
	} {
		restore := s.damage(change)
		logged := len(s.log.String())
		status, body := s.features(1, "")
		require.Equal(t, 500, status, name)
		require.Equal(t, internalError, body, name)
		require.Contains(t, s.log.String()[logged:], "damaged", name)
		restore()
	}
	for i := range state(s.value()) { // a flip may be another state, but never a panic
		restore := s.damage(func(v []byte) []byte { v[len(v)-1-i] ^= 0x55; return v })
		s.features(1, "")
		restore()
	}
}

func (s *scene) value() []byte {
	for item, err := range s.engine.Online.Scan(s.t.Context(), s.cellStore()) {
		require.NoError(s.t, err)
		return item.Cell.Value
	}
	return nil
}

// A tombstone's neighbours and cells of other blocks count for nothing.
func TestTilesOutsideEveryWindowAreLeftOut(t *testing.T) {
	t.Parallel()
	s := newFilled(t)
	_, want := s.features(7, "")
	cell := s.value()
	var writes []online.Write
	entity := []byte{1, 2, 0x80, 0, 0, 0, 0, 0, 0, 7} // user 7, as record.AppendKey writes it
	for _, at := range []window.Time{start.Add(-day), start.Add(day)} {
		writes = append(writes, online.Write{
			Key:  online.Key{Store: s.cellStore(), Entity: entity, Kind: online.KindTile, Block: at},
			Cell: online.Cell{Version: 9, Value: cell}, Condition: online.IfNotNewer,
		})
	}
	writes = append(writes, online.Write{
		Key:  online.Key{Store: s.cellStore(), Entity: entity, Kind: online.KindTile, Block: start},
		Cell: online.Cell{Version: 9, Tombstone: true}, Condition: online.IfNotNewer,
	})
	_, err := s.engine.Online.Write(t.Context(), writes)
	require.NoError(t, err)
	status, got := s.features(7, "")
	require.Equal(t, 200, status)
	require.Equal(t, want, got)
}
