package e2e_test

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// delaysBy is the example with every delay so many minutes longer, and so without
// its tests, which would be red.
func delaysBy(t *testing.T, minutes string) string {
	t.Helper()
	dir := t.TempDir()
	definitions, err := os.ReadFile(filepath.Join(examples, "features.yaml"))
	require.NoError(t, err)
	definitions, _, _ = bytes.Cut(definitions, []byte("tests:\n")) // the end of the file
	require.NoError(t, os.WriteFile(filepath.Join(dir, "features.yaml"), definitions, 0o600))
	sql := "SELECT origin, date AS departure, delay + " + minutes + " AS delay FROM flights"
	require.NoError(t, os.WriteFile(filepath.Join(dir, "airport_delays.sql"), []byte(sql), 0o600))
	return dir
}

// vector asks the API for the vector of ATL and returns the whole answer.
func (s *stack) vector(ctx context.Context) (string, error) {
	const request = `{"params":{"workspaceName":"prod","featureViewName":"airport_delays","joinKeyMap":{"origin":"ATL"}}}`
	asked, err := http.NewRequestWithContext(ctx, http.MethodPost, s.Endpoints.HTTP+"/api/v1/feature-service/get-features", strings.NewReader(request))
	if err != nil {
		return "", err
	}
	answer, err := http.DefaultClient.Do(asked)
	if err != nil {
		return "", err
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	return strings.TrimSpace(string(body)), err
}

// watch asks for vectors until stop is called, and once more. Stop returns the
// different answers in their order; errors are among them.
func (s *stack) watch(ctx context.Context) (stop func() []string) {
	const often = 5 * time.Millisecond
	stopping, seen := make(chan struct{}), make(chan []string)
	go func() {
		var answers []string
		ask := func() {
			answer, err := s.vector(ctx)
			if err != nil {
				answer = err.Error()
			}
			if len(answers) == 0 || answers[len(answers)-1] != answer {
				answers = append(answers, answer)
			}
		}
		ticker := time.NewTicker(often)
		defer ticker.Stop()
		for {
			ask()
			select {
			case <-stopping:
				ask()
				seen <- answers
				return
			case <-ticker.C:
			}
		}
	}()
	return func() []string {
		close(stopping)
		return <-seen
	}
}

// numbers are the values of a vector: by window in the order of the names, count,
// maximum and mean.
func numbers(t *testing.T, vector string) []float64 {
	t.Helper()
	var answer struct{ Result struct{ Features []any } }
	require.NoError(t, json.Unmarshal([]byte(vector), &answer), vector)
	require.Len(t, answer.Result.Features, 12, vector)
	out := make([]float64, 12)
	for i, value := range answer.Result.Features {
		switch v := value.(type) {
		case string: // an Int64
			n, err := strconv.ParseInt(v, 10, 64)
			require.NoError(t, err)
			out[i] = float64(n)
		case float64:
			out[i] = v
		default:
			require.Fail(t, "a null", vector)
		}
	}
	return out
}

// requireLater requires of two vectors the same counts, and delays so many minutes longer.
func requireLater(t *testing.T, minutes float64, before, after string) {
	t.Helper()
	was, is := numbers(t, before), numbers(t, after)
	for i := range was {
		by := minutes
		if i < 4 { // names begin with the column and the function: count, max, mean
			by = 0
		}
		require.InDelta(t, was[i]+by, is[i], 1e-9*(1+minutes), "feature %d of %s", i, after)
	}
}

// stores returns the generations of the stores that serve and that are filled, 0 for none.
func (s *stack) stores(t *testing.T) (serving, filling int64) {
	t.Helper()
	var described struct {
		ServingStore struct{ Generation int64 }  `json:"serving_store"`
		FillingStore *struct{ Generation int64 } `json:"filling_store"`
	}
	require.NoError(t, json.Unmarshal([]byte(s.tilery(t, "describe", view, "-o", "json")), &described))
	if described.FillingStore != nil {
		filling = described.FillingStore.Generation
	}
	return described.ServingStore.Generation, filling
}

// TestAChangedViewServesItsOldStoreUntilTheNewOneIsFilled changes the SQL of a view
// twice while its vectors are read all the time. A backfill fills the first new
// store, an incremental job the second: no answer is an error or a null, none is of
// a store that is half filled, and none goes back.
func TestAChangedViewServesItsOldStoreUntilTheNewOneIsFilled(t *testing.T) {
	dir := t.TempDir()
	s := startStack(t, dir)
	s.tilery(t, "apply", examples, "--yes")
	s.tilery(t, "materialize", view)
	old, err := s.vector(t.Context())
	require.NoError(t, err)
	numbers(t, old)

	later := delaysBy(t, "1000")
	require.Contains(t, s.tilery(t, "plan", later), "keeps serving the old store until the new one is filled")
	stop := s.watch(t.Context())
	s.tilery(t, "apply", later, "--yes")
	serving, filling := s.stores(t)
	require.Equal(t, [2]int64{1, 2}, [2]int64{serving, filling})
	s.tilery(t, "materialize", view, "--start", "2001-01-25", "--end", "2001-02-01")
	serving, filling = s.stores(t)
	require.Equal(t, [2]int64{1, 2}, [2]int64{serving, filling}, "what is read now is filled, and not all")
	require.Contains(t, s.tilery(t, "materialize", view, "--end", "2001-01-25"), "The new store serves as of generation 3.")
	waitFor(t, time.Minute, "the new store is read", func() bool {
		now, err := s.vector(t.Context())
		return err == nil && now != old
	})
	seen := stop()
	require.Len(t, seen, 2, "%s", strings.Join(seen, "\n"))
	require.Equal(t, old, seen[0])
	requireLater(t, 1000, old, seen[1])

	old = seen[1]
	stop = s.watch(t.Context())
	s.tilery(t, "apply", delaysBy(t, "3000"), "--yes")
	s.trigger(t)
	serving, filling = s.stores(t)
	require.Equal(t, [2]int64{5, 0}, [2]int64{serving, filling})
	waitFor(t, time.Minute, "the new store is read", func() bool {
		now, err := s.vector(t.Context())
		return err == nil && now != old
	})
	seen = stop()
	require.Len(t, seen, 2, "%s", strings.Join(seen, "\n"))
	require.Equal(t, old, seen[0])
	requireLater(t, 2000, old, seen[1])
	s.stop(t)

	s = startStack(t, dir)
	now, err := s.vector(t.Context())
	require.NoError(t, err)
	require.Equal(t, seen[1], now, "another process reads the same")
	s.stop(t)
}
