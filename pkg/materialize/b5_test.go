package materialize_test

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"

	"github.com/tilery/tilery/pkg/bucket"
	"github.com/tilery/tilery/pkg/bucket/buckettest"
	"github.com/tilery/tilery/pkg/feature"
	"github.com/tilery/tilery/pkg/offline"
	"github.com/tilery/tilery/pkg/online"
	"github.com/tilery/tilery/pkg/online/onlinetest"
)

var seeds = flag.Int("seeds", 9, "random histories of the B5 test")

// TestRandomHistoriesB5 does everything at random that may happen to a view's
// stores, and requires at every write that no cell lags behind the status, and
// after every whole apply that the online store equals the log's head.
func TestRandomHistoriesB5(t *testing.T) {
	t.Parallel()
	for seed := range uint64(*seeds) {
		view, name := newView(hour, 12*hour, 12*hour, 36*hour), "nested windows"
		switch seed % 3 {
		case 1:
			view, name = mixedView(), "mixed windows"
		case 2:
			view, name = keyedView(hour, 12*hour, 12*hour, 36*hour), "secondary key"
		}
		t.Run(fmt.Sprint(name, ", seed ", seed), func(t *testing.T) {
			t.Parallel()
			h := newHistoryOf(t, seed, view, func(s *scene) checker { return newModel(s) })
			for range 60 {
				h.step()
			}
			h.settle()
		})
	}
}

// history is a random run. Windows are of half a day, blocks of a day.
type history struct {
	*scene
	r      *rand.Rand
	events []event
	model  checker
	builds []offline.Build // not committed yet
	ingest int64           // sequence of the last one
	before map[tileID]bool // cells of the store as it was last settled
	parked []*parked
}

// checker tells whether a view's online store is right.
type checker interface {
	check(store online.Store)
	checkSettled(s *scene, before map[tileID]bool)
}

func newHistoryOf(t *testing.T, seed uint64, view feature.View, model func(*scene) checker) *history {
	h := &history{r: seeded(seed), before: map[tileID]bool{}}
	h.scene = newMemoryScene(t, view, &h.events)
	h.model = model(h.scene)
	h.change()
	return h
}

func (h *history) step() {
	switch h.r.IntN(19) {
	case 0, 1:
		h.change()
	case 2, 3, 4, 5:
		h.build()
	case 6, 7, 8:
		h.commitSome()
	case 9:
		h.settle()
	case 10, 11:
		h.crash()
	case 12:
		h.race()
	case 13:
		h.park()
	case 14:
		h.resume()
	case 15:
		if h.r.IntN(3) == 0 {
			h.empty()
		}
	case 16, 17:
		h.erase()
	case 18:
		h.compact()
	}
	h.model.check(h.engine.Online)
}

// change lets keys vanish from the sources and others appear.
func (h *history) change() {
	h.events = randomEvents(h.r, 20+h.r.IntN(100), span(0, 4*day))
}

func (h *history) build() {
	if h.target.View.Ingested {
		h.ingest++
		some := slices.Clone(h.events)
		h.r.Shuffle(len(some), func(i, j int) { some[i], some[j] = some[j], some[i] })
		h.builds = append(h.builds, h.scene.ingest(some[:h.r.IntN(len(some))], h.ingest))
		return
	}
	for range 1 + h.r.IntN(3) {
		i := time.Duration(h.r.IntN(8))
		h.builds = append(h.builds, h.scene.build(span(i*12*hour, (i+1)*12*hour)))
	}
}

// commitSome commits builds in any order, whose windows differ. Now and then the
// answer is lost, or the bucket refuses.
func (h *history) commitSome() {
	h.r.Shuffle(len(h.builds), func(i, j int) { h.builds[i], h.builds[j] = h.builds[j], h.builds[i] })
	c := offline.Commit{Job: "test", Generation: 1, Overwrite: h.r.IntN(2) == 0, Online: h.r.IntN(3) > 0}
	if h.target.View.Ingested {
		c.Overwrite = false
	}
	h.ids++
	c.ID = fmt.Sprintf("commit-%d", h.ids)
	taken := map[string]bool{}
	var rest []offline.Build
	for _, b := range h.builds {
		if name := b.Append + b.Window.String(); len(c.Builds) < 4 && !taken[name] {
			c.Builds = append(c.Builds, b)
			taken[name] = true
			continue
		}
		rest = append(rest, b)
	}
	h.builds = rest
	table := h.table
	if h.r.IntN(4) == 0 {
		table = h.faultyTable(2)
	}
	_, err := table.Commit(h.t.Context(), c)
	if table == h.table {
		require.NoError(h.t, err)
	}
}

// erase removes some of the keys that there are. Later nobody may have them any more.
func (h *history) erase() {
	var keys []string
	for range 1 + h.r.IntN(4) {
		keys = append(keys, h.events[h.r.IntN(len(h.events))].key())
	}
	e := h.stageErasure(keys...)
	if h.r.IntN(4) == 0 {
		_, err := h.faultyTable(4).Erase(h.t.Context(), e)
		h.t.Log("an erasure that may have failed, and is tried again:", err)
	}
	_, err := h.table.Erase(h.t.Context(), e)
	require.NoError(h.t, err)
	if h.r.IntN(4) == 0 {
		require.NoError(h.t, h.bucket.Delete(h.t.Context(), e.Object))
	}
}

func (h *history) compact() {
	h.ids++
	_, err := h.table.Compact(h.t.Context(), offline.CompactRequest{ID: fmt.Sprintf("compact-%d", h.ids), Job: "test", MinFiles: 2})
	require.NoError(h.t, err)
}

// faultyTable is that of another process, whose calls to the bucket fail, one in n, from
// when it is open.
func (h *history) faultyTable(n int) offline.Table {
	r := seeded(h.r.Uint64())
	var mu sync.Mutex
	opened := false
	table := h.tableOn(buckettest.Faulty{Bucket: h.bucket, Hook: func(string, string) buckettest.Fault {
		mu.Lock()
		defer mu.Unlock()
		if !opened || r.IntN(n) > 0 {
			return buckettest.None
		}
		return []buckettest.Fault{buckettest.Refused, buckettest.LostAnswer}[r.IntN(2)]
	}})
	mu.Lock()
	defer mu.Unlock()
	opened = true
	return table
}

// tableOn opens the table of another process, with a bucket of its own.
func (h *history) tableOn(b bucket.Bucket) offline.Table {
	table, err := newOffline(h.t, b).Open(h.t.Context(), h.table.Spec())
	require.NoError(h.t, err)
	return table
}

func (h *history) settle() {
	h.apply()
	h.model.checkSettled(h.scene, h.before)
}

// crash applies until something fails, if anything does.
func (h *history) crash() {
	r := seeded(h.r.Uint64())
	store := onlinetest.Faulty{Store: h.watched(), Hook: func(string) onlinetest.Fault {
		if r.IntN(4) > 0 {
			return onlinetest.None
		}
		return []onlinetest.Fault{onlinetest.Before, onlinetest.After}[r.IntN(2)]
	}}
	table := h.table
	if h.r.IntN(2) == 0 {
		table = h.faultyTable(8)
	}
	_, _ = h.with(store).Apply(h.t.Context(), h.target, table, nil) // its failure is the point
}

// race runs appliers of several processes beside a commit.
func (h *history) race() {
	tables := []offline.Table{h.table, h.tableOn(h.bucket), h.tableOn(h.bucket)}
	var group errgroup.Group
	for _, table := range tables {
		group.Go(func() error {
			_, err := h.with(h.watched()).Apply(h.t.Context(), h.target, table, nil)
			return err
		})
	}
	if len(h.builds) > 0 {
		h.commitSome()
	}
	require.NoError(h.t, group.Wait())
}

// park lets an applier go as far as one of its writes, and leaves it there.
func (h *history) park() {
	if p := startParked(h.scene, h.watched(), 1+h.r.IntN(5)); p != nil {
		h.parked = append(h.parked, p)
	}
}

func (h *history) resume() {
	if len(h.parked) == 0 {
		return
	}
	i := h.r.IntN(len(h.parked))
	require.NoError(h.t, h.parked[i].resume())
	h.parked = append(h.parked[:i], h.parked[i+1:]...)
}

// empty drops all that the online store knows of the view.
func (h *history) empty() {
	if status, ok := h.status(); ok {
		require.NoError(h.t, h.engine.Online.Drop(h.t.Context(), h.target.CellStore(status.Epoch)))
	}
	require.NoError(h.t, h.engine.Online.Drop(h.t.Context(), h.target.Store()))
	h.before = map[tileID]bool{}
}

func (h *history) watched() online.Store { return watchedStore{h.engine.Online, h.model} }

// watchedStore checks the store after every write.
type watchedStore struct {
	online.Store
	model checker
}

func (w watchedStore) Write(ctx context.Context, writes []online.Write) ([]bool, error) {
	done, err := w.Store.Write(ctx, writes)
	w.model.check(w.Store)
	return done, err
}

// parked is an applier that waits before one of its writes.
type parked struct {
	online.Store
	left    int // writes until then
	arrived chan struct{}
	release chan struct{}
	done    chan error
}

// startParked returns once the applier waits; nil if it ended before.
func startParked(s *scene, store online.Store, write int) *parked {
	p := &parked{
		Store: store, left: write,
		arrived: make(chan struct{}), release: make(chan struct{}), done: make(chan error, 1),
	}
	go func() {
		err := errors.New("a check failed in the applier")
		defer func() { p.done <- err }()
		_, err = s.with(p).Apply(s.t.Context(), s.target, s.table, nil)
	}()
	select {
	case <-p.arrived:
		return p
	case err := <-p.done:
		require.NoError(s.t, err)
		return nil
	}
}

func (p *parked) Write(ctx context.Context, writes []online.Write) ([]bool, error) {
	if p.left--; p.left == 0 {
		close(p.arrived)
		select {
		case <-p.release:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	return p.Store.Write(ctx, writes)
}

func (p *parked) resume() error {
	close(p.release)
	return <-p.done
}
