package retrieve_test

import (
	"bytes"
	"encoding/json"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/tilery/tilery/pkg/api"
	"github.com/tilery/tilery/pkg/feature"
	"github.com/tilery/tilery/pkg/online"
	"github.com/tilery/tilery/pkg/online/pebble"
	"github.com/tilery/tilery/pkg/registry"
	"github.com/tilery/tilery/pkg/retrieve"
	"github.com/tilery/tilery/pkg/retrieve/oracle"
	"github.com/tilery/tilery/pkg/retrieve/retrievetest"
	"github.com/tilery/tilery/pkg/serve"
	"github.com/tilery/tilery/pkg/window"
)

// replay materializes the windows of a view as time goes by, and asks the server for
// features meanwhile.
type replay struct {
	*retrievetest.Subject
	t      *rapid.T
	now    atomic.Int64
	store  online.Store
	server http.Handler
	served []served
	late   []oracle.Event // that came, or went, after their window had been served
}

// served is a vector that was served, in the order of the view's features.
type served struct {
	ask       retrievetest.Ask
	effective window.Time // as the server told it
	values    []feature.Value
	lateSoFar int // late events that had come by then
}

// Now implements clock.Clock.
func (r *replay) Now() window.Time { return window.Time(r.now.Load()) }

func newReplay(t *rapid.T, s *studio, store online.Store, v *retrievetest.View) *replay {
	r := &replay{Subject: s.subject(t, v), t: t, store: store}
	definitions := registry.New(s.bucket)
	r.server = serve.New(serve.Options{
		Registry: definitions, Planner: &registry.Planner{Registry: definitions, Engine: r.Engine.Transform},
		Online: store, Clock: r, Logger: slog.New(slog.DiscardHandler),
	})
	request := api.ApplyRequest{PlanRequest: api.PlanRequest{Workspace: r.Target.Workspace, Files: v.Definitions(t)}}
	code, answer := r.post(api.ApplyPath, request)
	require.Equal(t, http.StatusOK, code, answer)
	return r
}

func (r *replay) post(path string, body any) (code int, answer string) {
	data, err := json.Marshal(body)
	require.NoError(r.t, err)
	w := httptest.NewRecorder()
	r.server.ServeHTTP(w, httptest.NewRequest(http.MethodPost, path, bytes.NewReader(data)))
	return w.Code, w.Body.String()
}

// run plays the windows one after the other. When the data of one is complete it is
// built and served at once; until the next one is, features are asked for.
func (r *replay) run(span window.Interval, rebuild func(next window.Time)) {
	for i, w := range span.Split(r.Schedule()) {
		due := w.End.Add(r.DataDelay())
		r.now.Store(int64(due))
		r.Commit(r.Build(w)...)
		r.Follow(r.store)
		r.ask(w.End, due)
		if rebuild != nil && i%2 == 1 {
			rebuild(w.End)
			r.Follow(r.store)
		}
		r.ask(w.End, due+window.Time(rapid.Int64Range(0, r.Schedule().Microseconds()-1).Draw(r.t, "moment")))
		r.ask(w.End, due.Add(r.Schedule())-1)
	}
}

// ask asks for the features of some entities at a moment, when the leading edge is known.
func (r *replay) ask(edge, now window.Time) {
	if r.Aggregated() && edge < r.CompleteEnd(r.FeatureStartTime) {
		return
	}
	r.now.Store(int64(now))
	for _, entity := range retrievetest.Entities {
		ask := retrievetest.Ask{"user": entity[0], "shop": entity[1], retrievetest.TimeColumn: int64(now)}
		vector := r.vector(ask)
		vector.ask, vector.lateSoFar = ask, len(r.late)
		r.served = append(r.served, vector)
	}
}

// vector asks the server for what it has now.
func (r *replay) vector(ask retrievetest.Ask) (out served) {
	params := api.GetFeaturesParams{
		WorkspaceName: r.Target.Workspace, FeatureViewName: r.Target.View.Name, JoinKeyMap: map[string]any{},
		MetadataOptions: api.MetadataOptions{IncludeNames: true, IncludeEffectiveTimes: true},
	}
	for _, key := range r.JoinKeys() {
		params.JoinKeyMap[key.Name] = ask[key.Name]
		if key.Type == feature.Int64 { // no JSON number
			params.JoinKeyMap[key.Name] = strconv.FormatInt(ask[key.Name].(int64), 10)
		}
	}
	code, answer := r.post(api.GetFeaturesPath, api.GetFeaturesRequest{Params: params})
	require.Equal(r.t, http.StatusOK, code, answer)
	var response api.GetFeaturesResponse
	decoder := json.NewDecoder(strings.NewReader(answer))
	decoder.UseNumber()
	require.NoError(r.t, decoder.Decode(&response))
	features, err := r.Features()
	require.NoError(r.t, err)
	byName := map[string]feature.Value{}
	for i, m := range response.Metadata.Features {
		name := strings.TrimPrefix(m.Name, r.Target.View.Name+".")
		field, ok := features.Lookup(name)
		require.True(r.t, ok, name)
		byName[name], ok = feature.JSONValue(field.Type, response.Result.Features[i])
		require.True(r.t, ok, "%s of type %s: %v", name, field.Type, response.Result.Features[i])
		out.effective = window.FromTime(*m.EffectiveTime)
	}
	for _, field := range features {
		out.values = append(out.values, byName[field.Name])
	}
	return out
}

// join returns, by served vector, those of the offline store at the moment of the
// request and at the effective time, in the order of the view's features.
func (r *replay) join() (then, effective [][]feature.Value) {
	var spine []retrievetest.Ask
	for _, s := range r.served {
		at := retrievetest.Ask{"user": s.ask["user"], "shop": s.ask["shop"], retrievetest.TimeColumn: int64(s.effective)}
		spine = append(spine, s.ask, at)
	}
	cells := retrievetest.Join(r.Subject, retrieve.Options{}, spine, 100).Cells
	for i := range r.served {
		then, effective = append(then, retrievetest.Reversed(cells[2*i])), append(effective, retrievetest.Reversed(cells[2*i+1]))
	}
	return then, effective
}

func forEachReplay(t *testing.T, property func(r *replay)) {
	store, err := pebble.Open(filepath.Join(t.TempDir(), "online"), pebble.Options{CacheBytes: 8 << 20})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, store.Close()) })
	forEachKind(t, func(t *rapid.T, s *studio, v *retrievetest.View) {
		if v.Valid() {
			property(newReplay(t, s, store, v))
		}
	})
}

func TestOnlineThenOfflineNow(t *testing.T) {
	t.Parallel()
	forEachReplay(t, func(r *replay) {
		span := r.Span(rapid.IntRange(1, 6).Draw(r.t, "windows"))
		r.Source = r.EventsOf(r.t, "events", span)
		r.run(span, nil)
		for _, s := range r.served {
			requireVector(r.t, s, s.values, retrievetest.Reversed(r.Want(s.ask)), "the oracle")
		}
		then, effective := r.join()
		for i, s := range r.served {
			requireVector(r.t, s, s.values, then[i], "offline at the moment")
			requireVector(r.t, s, s.values, effective[i], "offline at the effective time")
		}
	})
}

func requireVector(t require.TestingT, s served, got, want []feature.Value, who string) {
	for i := range want {
		if got[i] != want[i] {
			require.FailNow(t, "vectors differ", "%v, effective %v: feature %d was served as %v, %s says %v", s.ask, s.effective, i, got[i], who, want[i])
		}
	}
}

func TestOfflineDiffersFromWhatWasServedOnlyByLateEvents(t *testing.T) {
	t.Parallel()
	var differences atomic.Int64
	t.Run("replays", func(t *testing.T) {
		forEachReplay(t, func(r *replay) {
			span := r.Span(rapid.IntRange(2, 6).Draw(r.t, "windows"))
			r.Source = r.EventsOf(r.t, "events", span)
			r.run(span, func(next window.Time) {
				at := max(next.Add(-2*r.Schedule()), span.Start)
				r.rebuild(window.Interval{Start: at, End: at.Add(r.Schedule())})
			})
			then, _ := r.join()
			for i, s := range r.served {
				for f := range s.values {
					if s.values[f] != then[i][f] {
						differences.Add(1)
						require.True(r.t, r.touched(s, f), "%v: feature %d was %v and is %v, and no late event says why", s.ask, f, s.values[f], then[i][f])
					}
				}
			}
		})
	})
	require.Positive(t, differences.Load())
}

// rebuild has a late event come, and another one go, in a window that was served, and
// notes them.
func (r *replay) rebuild(w window.Interval) {
	var kept []oracle.Event
	gone := false
	for _, e := range r.Source {
		if !gone && w.Contains(window.Time(e.Time)) {
			gone = true
			r.late = append(r.late, e)
			continue
		}
		kept = append(kept, e)
	}
	come := r.Event(rapid.Uint64().Draw(r.t, "late event"), w)
	r.late = append(r.late, come)
	r.Source = append(kept, come)
	r.Commit(r.Build(w)...)
}

// touched reports whether an event that came late for a vector is of its key and in
// the windows of the feature.
func (r *replay) touched(s served, f int) bool {
	for _, late := range r.late[s.lateSoFar:] {
		if late.Key == r.Key(s.ask) && r.holds(f, window.Time(late.Time), window.Time(s.ask[retrievetest.TimeColumn].(int64))) {
			return true
		}
	}
	return false
}

// holds reports whether a feature at an instant is made of events of a time.
func (r *replay) holds(f int, event, at window.Time) bool {
	if !seen(r.View, int64(event), int64(at)) {
		return false
	}
	windows := r.TimeWindows() // the lists of a secondary key follow the aggregations
	switch {
	case !r.Aggregated():
		return true
	case f < len(r.Aggregations):
		windows = []feature.TimeWindow{r.Aggregations[f].TimeWindow}
	default:
		windows = windows[f-len(r.Aggregations):][:1]
	}
	edge := (at - window.Time(r.DataDelay().Microseconds())).Floor(r.Schedule())
	for _, i := range windows[0].Intervals(edge, r.LifetimeStart()) {
		if i.Contains(event) {
			return true
		}
	}
	return false
}
