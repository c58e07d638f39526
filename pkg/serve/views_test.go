package serve_test

import (
	"context"
	"log/slog"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tilery/tilery/pkg/api"
	"github.com/tilery/tilery/pkg/bucket"
	"github.com/tilery/tilery/pkg/bucket/buckettest"
	"github.com/tilery/tilery/pkg/bucket/file"
	"github.com/tilery/tilery/pkg/clock"
	"github.com/tilery/tilery/pkg/feature"
	"github.com/tilery/tilery/pkg/online"
	"github.com/tilery/tilery/pkg/registry"
	"github.com/tilery/tilery/pkg/serve"
)

// emptyStore is an online store in which nothing was ever written, so that a
// request for a view that is known ends with "no materialized data".
type emptyStore struct{ online.Store }

func (emptyStore) Get(context.Context, online.Key) (online.Cell, bool, error) {
	return online.Cell{}, false, nil
}

// shelf is a bucket that can be made to hang or to refuse.
type shelf struct {
	bucket.Bucket
	mu     sync.Mutex
	lists  map[string]int
	locked map[string]chan struct{} // prefix -> until when its lists hang
	broken bool
}

func (s *shelf) hook(op, key string) buckettest.Fault {
	s.mu.Lock()
	if op == "List" {
		s.lists[key]++
	}
	until, broken := s.locked[key], s.broken
	s.mu.Unlock()
	if until != nil && op == "List" {
		<-until
	}
	if broken {
		return buckettest.Refused
	}
	return buckettest.None
}

func (s *shelf) lock(workspace string) (unlock func()) {
	until := make(chan struct{})
	s.set(func() { s.locked["registry/"+workspace+"/"] = until })
	return func() {
		s.set(func() { delete(s.locked, "registry/"+workspace+"/") })
		close(until)
	}
}

func (s *shelf) set(change func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	change()
}

func (s *shelf) count(workspace string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.lists["registry/"+workspace+"/"]
}

// shelved is a server whose definitions lie in a shelf. Time is that of the test's bubble.
type shelved struct {
	*shelf
	t        *testing.T
	registry *registry.Registry // on the shelf's bucket, but never held up
	server   *serve.Server
	log      *logBuffer
}

func newShelved(t *testing.T) *shelved {
	b, err := file.Open(t.TempDir())
	require.NoError(t, err)
	s := &shelved{
		shelf: &shelf{Bucket: b, lists: map[string]int{}, locked: map[string]chan struct{}{}},
		t:     t, registry: registry.New(b), log: &logBuffer{},
	}
	s.server = serve.New(serve.Options{
		Registry: registry.New(buckettest.Faulty{Bucket: b, Hook: s.hook}), Online: emptyStore{},
		Clock: clock.Fixed(start), Logger: slog.New(slog.NewTextHandler(s.log, nil)),
	})
	return s
}

// apply makes a generation of one view.
func (s *shelved) apply(workspace string, base int64, view string) {
	s.t.Helper()
	_, err := s.registry.Apply(s.t.Context(), workspace, base, feature.Repository{
		BatchFeatureViews: []feature.BatchFeatureView{{
			Metadata: feature.Metadata{Name: view}, AggregationInterval: feature.Duration(time.Hour),
			Schema:       feature.Schema{{Name: "n", Type: feature.Int64}},
			Aggregations: []feature.Aggregation{{Column: "n", Function: feature.Count, TimeWindow: feature.Trailing(feature.Duration(time.Hour))}},
		}},
	}, 0)
	require.NoError(s.t, err)
}

// ask returns what the server says of a view: "known", "unknown", or its error.
func (s *shelved) ask(workspace, view string) string {
	w := httptest.NewRecorder()
	s.server.ServeHTTP(w, httptest.NewRequest("POST", api.GetFeaturesPath, strings.NewReader(
		`{"params":{"workspaceName":"`+workspace+`","featureViewName":"`+view+`","joinKeyMap":{}}}`)))
	switch body := w.Body.String(); {
	case strings.Contains(body, "has no materialized data"):
		return "known"
	case strings.Contains(body, "Unable to query"):
		return "unknown"
	default:
		return body
	}
}

// pass lets the bubble's time go on.
func pass(d time.Duration) { <-time.After(d) }

const timedOut = `{"error":"Timed out","message":"Timed out","code":4}` + "\n"

func TestDefinitionsAreLookedForOnceASecond(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newShelved(t)
		require.Equal(t, "unknown", s.ask("prod", "a"))
		s.apply("prod", 0, "a")
		for range 10 {
			require.Equal(t, "known", s.ask("prod", "a"))
		}
		require.Equal(t, 2, s.count("prod"))
		s.apply("prod", 1, "b") // by another server
		pass(time.Second)
		require.Equal(t, "known", s.ask("prod", "a"), "this request sends for news")
		synctest.Wait()
		require.Equal(t, "unknown", s.ask("prod", "a"))
		require.Equal(t, "known", s.ask("prod", "b"))
		require.Equal(t, 3, s.count("prod"))
	})
}

func TestASlowBucketHoldsUpNoRequestForAMinute(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newShelved(t)
		s.apply("prod", 0, "a")
		s.apply("dev", 0, "a")
		require.Equal(t, "known", s.ask("prod", "a"))
		unlock := s.lock("prod")
		before := s.count("prod")
		for range 50 {
			pass(time.Second)
			began := time.Now()
			require.Equal(t, "known", s.ask("prod", "a"))
			require.Equal(t, began, time.Now())
		}
		require.Equal(t, before+1, s.count("prod"), "one look at a time")
		pass(10 * time.Second)
		require.Equal(t, timedOut, s.ask("prod", "a"), "too old to be used")
		require.Equal(t, "known", s.ask("dev", "a"), "another workspace")
		unlock()
		synctest.Wait()
		require.Equal(t, "known", s.ask("prod", "a"))
	})
}

func TestFirstRequestsShareOneLookAndItsTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newShelved(t)
		s.apply("prod", 0, "a")
		unlock := s.lock("prod")
		answers := make(chan string, 50)
		for range cap(answers) {
			go func() { answers <- s.ask("prod", "a") }()
		}
		synctest.Wait()
		require.Equal(t, 1, s.count("prod"))
		for range cap(answers) {
			require.Equal(t, timedOut, <-answers)
		}
		unlock()
		synctest.Wait()
		require.Equal(t, 1, s.count("prod"))
		require.Equal(t, "known", s.ask("prod", "a"), "the look went on without those who waited for it")
		synctest.Wait()
	})
}

func TestABrokenBucketIsLoggedOnceASecondAndNoticedAfterAMinute(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newShelved(t)
		s.apply("prod", 0, "a")
		require.Equal(t, "known", s.ask("prod", "a"))
		s.set(func() { s.broken = true })
		for range 5 {
			pass(time.Second)
			for range 10 {
				require.Equal(t, "known", s.ask("prod", "a"))
				synctest.Wait()
			}
		}
		require.Equal(t, 5, strings.Count(s.log.String(), "look for new definitions"))
		pass(time.Minute)
		require.Equal(t, internalError, s.ask("prod", "a"))
		s.set(func() { s.broken = false })
		require.Equal(t, "known", s.ask("prod", "a"))
	})
}

// A look that began before an apply must not undo it.
func TestALookThatEndsAfterAnApplyDoesNotBringOldDefinitionsBack(t *testing.T) {
	t.Parallel()
	s := newFilled(t)
	reached, release := make(chan struct{}), make(chan struct{})
	var once sync.Once
	slow := registry.New(buckettest.Faulty{Bucket: s.bucket, Hook: func(op, _ string) buckettest.Fault {
		if op == "Get" { // of the generation that the list named
			once.Do(func() {
				close(reached)
				<-release
			})
		}
		return buckettest.None
	}})
	s.server = s.with(func(o *serve.Options) { o.Registry = slow })
	old := make(chan string)
	go func() {
		_, body := s.features(1, `,"metadataOptions":{"includeNames":true}`)
		old <- body
	}()
	<-reached
	s.apply(1, func(text string) string { return strings.Replace(text, "z_last_hour", "last_hour", 1) })
	close(release)
	<-old
	_, body := s.features(1, `,"metadataOptions":{"includeNames":true}`)
	require.Contains(t, body, "spending.last_hour")
}
