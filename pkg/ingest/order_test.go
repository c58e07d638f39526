package ingest_test

import (
	"cmp"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/tilery/tilery/pkg/bucket/buckettest"
	"github.com/tilery/tilery/pkg/feature"
	"github.com/tilery/tilery/pkg/frame"
	"github.com/tilery/tilery/pkg/ingest"
	"github.com/tilery/tilery/pkg/materialize"
	"github.com/tilery/tilery/pkg/offline"
	"github.com/tilery/tilery/pkg/online"
	"github.com/tilery/tilery/pkg/record"
)

// history is some frames, each on its way through Accept, Build and Commit, with steps
// that are repeated, and fail before or after they took effect.
type history struct {
	*scene
	t      *rapid.T
	fault  buckettest.Fault // of the call that comes when faultAt is 0
	faults int              // calls until then
	all    []*ingested
}

// ingested is a frame with what is known of it.
type ingested struct {
	rows   []row
	frame  ingest.Frame
	ticket ingest.Ticket
	builds []ingest.Built
	done   bool
}

// hook fails one call of the bucket.
func (h *history) hook(string, string) buckettest.Fault {
	if h.faults--; h.faults == 0 {
		return h.fault
	}
	return buckettest.None
}

// add stages a frame of few keys and times, so that many rows are of equal ones.
func (h *history) add() {
	f := &ingested{}
	var data [][]feature.Value
	for i := range rapid.IntRange(0, 8).Draw(h.t, "rows") {
		user, shop := rapid.Int64Range(1, 2).Draw(h.t, "user"), rapid.SampledFrom([]string{"", "a"}).Draw(h.t, "shop")
		at := now.Add(-time.Duration(rapid.SampledFrom([]int{0, 1, 24 * 40}).Draw(h.t, "hours")) * time.Hour)
		v := values(user, shop, at, int64(100*len(h.all)+i))
		data = append(data, v)
		f.rows = append(f.rows, row{user, shop, at, sprint(v[3:])})
	}
	format := rapid.SampledFrom([]frame.Format{frame.Parquet, frame.Arrow}).Draw(h.t, "format")
	f.frame = h.stage(format, file(h.t, format, schema, data...))
	h.all = append(h.all, f)
}

func (h *history) step() {
	f := h.all[rapid.IntRange(0, len(h.all)-1).Draw(h.t, "frame")]
	h.fault = rapid.SampledFrom([]buckettest.Fault{buckettest.None, buckettest.Refused, buckettest.LostAnswer}).Draw(h.t, "fault")
	h.faults = rapid.IntRange(1, 12).Draw(h.t, "in calls")
	// What a step returns with an error is nothing that anyone has seen.
	switch step := rapid.SampledFrom([]string{"accept", "build", "build again", "commit", "compact", "apply"}).Draw(h.t, "step"); {
	case step == "accept":
		_ = h.tryAccept(f)
	case step == "build" && f.ticket.Sequence > 0:
		_ = h.tryBuild(f, h.request(f.ticket))
	case step == "build again" && f.ticket.Sequence > 0:
		r := h.request(f.ticket)
		r.Attempt = "first"
		_ = h.tryBuild(f, r)
	case step == "commit" && len(f.builds) > 0:
		_ = h.tryCommit(f, f.builds[rapid.IntRange(0, len(f.builds)-1).Draw(h.t, "of build")])
	case step == "compact":
		h.ids++
		h.withTable(func(_ *materialize.Target, table offline.Table) {
			_, _ = table.Compact(h.ctx, offline.CompactRequest{ID: fmt.Sprint("compact-", h.ids), Job: "test", MinFiles: 2})
		})
	case step == "apply":
		h.withTable(func(target *materialize.Target, table offline.Table) {
			_, _ = h.engine.Tables.Apply(h.ctx, target, table, nil)
		})
	}
	h.faults = 0
}

// withTable calls do, unless a fault comes first.
func (h *history) withTable(do func(*materialize.Target, offline.Table)) {
	target, err := h.engine.Tables.Target(h.ctx, workspace, 0, h.name)
	if err != nil {
		return
	}
	if table, err := h.engine.Tables.Table(h.ctx, target, now); err == nil {
		do(target, table)
	}
}

func (h *history) tryAccept(f *ingested) error {
	ticket, err := h.engine.Accept(h.ctx, f.frame, now)
	if err != nil {
		return err
	}
	if f.ticket.Sequence != 0 {
		require.Equal(h.t, f.ticket, ticket, "a frame has one ticket")
	}
	f.ticket = ticket
	return nil
}

func (h *history) tryBuild(f *ingested, r ingest.BuildRequest) error {
	built, err := h.engine.Build(h.ctx, r)
	if err != nil {
		return err
	}
	require.Equal(h.t, int64(len(f.rows)), built.Rows+built.Duplicates)
	f.builds = append(f.builds, built)
	return nil
}

func (h *history) tryCommit(f *ingested, b ingest.Built) error {
	h.ids++
	result, err := h.engine.Commit(h.ctx, f.ticket, b.Manifest, fmt.Sprint("commit-", h.ids), "test", now)
	if err != nil {
		return err
	}
	require.Contains(h.t, []offline.Outcome{offline.Committed, offline.Done}, result.Outcomes[0])
	f.done = true
	return nil
}

// settle ingests what is left, without faults.
func (h *history) settle() {
	for _, f := range h.all {
		require.NoError(h.t, h.tryAccept(f))
		require.NoError(h.t, h.tryBuild(f, h.request(f.ticket)))
		for _, b := range f.builds {
			require.NoError(h.t, h.tryCommit(f, b))
		}
	}
	_, err := h.engine.Tables.Apply(h.ctx, h.target(), h.table(), nil)
	require.NoError(h.t, err)
}

// oracle returns what counts: of equal keys and time what was ingested last.
func (h *history) oracle() map[id]stored {
	inOrder := slices.Clone(h.all)
	slices.SortFunc(inOrder, func(a, b *ingested) int { return cmp.Compare(a.ticket.Sequence, b.ticket.Sequence) })
	out := map[id]stored{}
	for i, f := range inOrder {
		if i > 0 {
			require.Less(h.t, inOrder[i-1].ticket.Sequence, f.ticket.Sequence, "a number is given once")
		}
		for _, r := range f.rows {
			out[r.id()] = stored{r, f.ticket.Sequence}
		}
	}
	return out
}

// latest returns of each entity the row with the latest time, by its encoded key.
func latest(rows map[id]stored) map[string]stored {
	out := map[string]stored{}
	for _, r := range rows {
		key, _ := record.AppendKey(nil, schema[:2], []feature.Value{feature.Int64Value(r.user), feature.StringValue(r.shop)})
		if known, ok := out[string(key)]; !ok || known.at < r.at {
			out[string(key)] = r
		}
	}
	return out
}

// readOnline returns the rows of the online store by encoded key.
func (s *scene) readOnline() map[string]stored {
	target := s.target()
	status, _, ok, err := online.ReadStatus(s.ctx, s.online, target.Store())
	require.NoError(s.t, err)
	out := map[string]stored{}
	if !ok {
		return out
	}
	for item, err := range s.online.Scan(s.ctx, target.CellStore(status.Epoch)) {
		require.NoError(s.t, err)
		if item.Key.Kind != online.KindRow || item.Cell.Tombstone {
			continue
		}
		cell, err := online.DecodeRow(item.Cell.Value)
		require.NoError(s.t, err)
		key, err := record.DecodeKey(item.Key.Entity, schema[:2])
		require.NoError(s.t, err)
		features, err := record.DecodeRow(nil, cell.Values, schema[3:])
		require.NoError(s.t, err)
		out[string(item.Key.Entity)] = stored{row{key[0].Int64(), key[1].Text(), cell.Time, sprint(features)}, cell.Seq}
	}
	return out
}

func TestTheLastIngestCountsInWhateverOrderStepsAreTakenB5(t *testing.T) {
	t.Parallel()
	ctx, store, scratch := t.Context(), newOnline(t), t.TempDir()
	histories := 0
	rapid.Check(t, func(t *rapid.T) {
		histories++
		h := &history{scene: newSceneOf(t, ctx, store, scratch, fmt.Sprint("clicks_", histories)), t: t}
		h.engine = h.over(buckettest.Faulty{Bucket: h.bucket, Hook: h.hook})
		for range rapid.IntRange(1, 4).Draw(t, "frames") {
			h.add()
		}
		for range rapid.IntRange(0, 30).Draw(t, "steps") {
			h.step()
		}
		h.settle()
		want := h.oracle()
		require.Equal(t, want, h.readOffline())
		require.Equal(t, latest(want), h.readOnline())
	})
}

func TestRacingCallersGiveAFrameOneTicketAndNoNumberTwice(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	var frames []ingest.Frame
	for i := range 4 {
		frames = append(frames, s.stage(frame.Arrow, file(t, frame.Arrow, schema, values(1, "a", now, int64(i)))))
	}
	const callers = 16
	tickets, errs := make([]ingest.Ticket, callers), make([]error, callers)
	var group sync.WaitGroup
	for i := range callers {
		engine := s.over(s.bucket) // a process of its own
		group.Go(func() { tickets[i], errs[i] = engine.Accept(t.Context(), frames[i%len(frames)], now) })
	}
	group.Wait()
	numbers := map[int64]string{}
	for i, ticket := range tickets {
		require.NoError(t, errs[i])
		require.Equal(t, tickets[i%len(frames)], ticket)
		require.Equal(t, frames[i%len(frames)], ticket.Frame)
		numbers[ticket.Sequence] = ticket.Path
	}
	require.Len(t, numbers, len(frames))
}

func TestALaterIngestHasAGreaterNumber(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	last := int64(0)
	for range 12 {
		ticket := s.accept(s.stage(frame.CSV, []byte(header)))
		require.Greater(t, ticket.Sequence, last)
		last = ticket.Sequence
	}
}

func TestALaterRowOfAFrameReplacesAnEarlierOne(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	built := s.run(frame.Parquet, file(t, frame.Parquet, schema,
		values(1, "a", now, 1), values(2, "a", now, 2), values(1, "a", now, 3), values(1, "a", now.Add(-time.Hour), 4)))
	require.Equal(t, int64(3), built.Rows)
	require.Equal(t, int64(1), built.Duplicates)
	require.Equal(t, now.Add(-time.Hour), built.Start)
	require.Equal(t, now, built.End)
	rows := s.readOffline()
	require.Len(t, rows, 3)
	require.Equal(t, stored{row{1, "a", now, sprint(values(1, "a", now, 3)[3:])}, 1}, rows[id{1, "a", now}])
}
