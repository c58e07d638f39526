package registry_test

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tilery/tilery/pkg/bucket"
	"github.com/tilery/tilery/pkg/bucket/buckettest"
	"github.com/tilery/tilery/pkg/bucket/file"
	"github.com/tilery/tilery/pkg/feature"
	"github.com/tilery/tilery/pkg/registry"
	"github.com/tilery/tilery/pkg/window"
)

const now = window.Time(1e15)

func open(t *testing.T) bucket.Bucket {
	b, err := file.Open(t.TempDir())
	require.NoError(t, err)
	return b
}

// named returns a repository that differs from those of other names.
func named(name string) feature.Repository {
	return feature.Repository{Entities: []feature.Entity{{
		Metadata: feature.Metadata{Name: name}, JoinKeys: feature.Schema{{Name: "k", Type: feature.String}},
	}}}
}

func TestGenerationsAreReadAsTheyWereApplied(t *testing.T) {
	t.Parallel()
	b := open(t)
	r := registry.New(b)
	_, err := r.Latest(t.Context(), "prod")
	require.ErrorIs(t, err, registry.ErrNotFound)

	var applied []registry.Generation
	for i := range 12 {
		g, err := r.Apply(t.Context(), "prod", int64(i), named(fmt.Sprint("e", i)), now)
		require.NoError(t, err)
		require.Equal(t, int64(i+1), g.Number)
		applied = append(applied, g)

		for _, reader := range []*registry.Registry{r, registry.New(b)} {
			latest, err := reader.Latest(t.Context(), "prod")
			require.NoError(t, err)
			require.Equal(t, g, latest)
		}
	}
	for _, want := range applied {
		got, err := r.Get(t.Context(), "prod", want.Number)
		require.NoError(t, err)
		require.Equal(t, want, got)
	}
	for _, number := range []int64{-1, 0, 13} {
		_, err = r.Get(t.Context(), "prod", number)
		require.ErrorIs(t, err, registry.ErrNotFound)
	}
	_, err = r.Latest(t.Context(), "pro")
	require.ErrorIs(t, err, registry.ErrNotFound)
}

func TestApplyOnAnOldGenerationIsAConflict(t *testing.T) {
	t.Parallel()
	r := registry.New(open(t))
	for base := range int64(3) {
		_, err := r.Apply(t.Context(), "prod", base, named("a"), now)
		require.NoError(t, err)
	}
	for base := range int64(3) {
		_, err := r.Apply(t.Context(), "prod", base, named("b"), now)
		require.ErrorIs(t, err, registry.ErrConflict)
		require.EqualError(t, err, fmt.Sprintf("apply on generation %d of prod: the workspace has changed since: something was applied, or a store that was filled began to serve", base))
	}
	for _, base := range []int64{-1, 4, 1 << 40} {
		_, err := r.Apply(t.Context(), "prod", base, named("b"), now)
		require.ErrorIs(t, err, registry.ErrNotFound)
	}
	latest, err := r.Latest(t.Context(), "prod")
	require.NoError(t, err)
	require.Equal(t, int64(3), latest.Number)
	require.Equal(t, named("a"), latest.Repository)
}

// race lets 16 goroutines apply on one base and returns the generation that won.
func race(t *testing.T, b bucket.Bucket, base int64) registry.Generation {
	const racers = 16
	var won [racers]registry.Generation
	var errs [racers]error
	var wait sync.WaitGroup
	shared := registry.New(b)
	for i := range racers {
		r := shared
		if i%2 == 0 {
			r = registry.New(b) // as in another process
		}
		wait.Go(func() {
			won[i], errs[i] = r.Apply(t.Context(), "prod", base, named(fmt.Sprintf("e%d_%d", base, i)), now)
		})
	}
	wait.Wait()
	winner := -1
	for i, err := range errs {
		if err != nil {
			require.ErrorIs(t, err, registry.ErrConflict)
			continue
		}
		require.Negative(t, winner, "two winners")
		winner = i
	}
	require.GreaterOrEqual(t, winner, 0, "no winner")
	latest, err := shared.Latest(t.Context(), "prod")
	require.NoError(t, err)
	require.Equal(t, won[winner], latest)
	return latest
}

func TestRacingAppliesHaveOneWinner(t *testing.T) {
	t.Parallel()
	b := open(t)
	for base := range int64(20) {
		require.Equal(t, base+1, race(t, b, base).Number)
	}
}

func TestRacingAppliesHaveOneWinnerWhenAnswersAreLost(t *testing.T) {
	t.Parallel()
	var calls atomic.Int64
	b := buckettest.Faulty{Bucket: open(t), Hook: func(op, _ string) buckettest.Fault {
		if op != "PutIfAbsent" {
			return buckettest.None
		}
		return []buckettest.Fault{buckettest.LostAnswer, buckettest.None, buckettest.Refused}[calls.Add(1)%3]
	}}
	for base := range int64(5) {
		require.Equal(t, base+1, race(t, b, base).Number)
	}
}

func TestAnApplyWhoseAnswerIsLostHasSucceeded(t *testing.T) {
	t.Parallel()
	lost := false
	b := buckettest.Faulty{Bucket: open(t), Hook: func(op, _ string) buckettest.Fault {
		if op == "PutIfAbsent" && !lost {
			lost = true
			return buckettest.LostAnswer
		}
		return buckettest.None
	}}
	r := registry.New(b)
	g, err := r.Apply(t.Context(), "prod", 0, named("a"), now)
	require.NoError(t, err)
	require.True(t, lost)
	latest, err := r.Latest(t.Context(), "prod")
	require.NoError(t, err)
	require.Equal(t, g, latest)
}

func TestAnApplyWithoutAnAnswerIsNoConflict(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	b := buckettest.Faulty{Bucket: open(t), Hook: func(op, _ string) buckettest.Fault {
		if op == "PutIfAbsent" {
			cancel()
			return buckettest.HangAfter
		}
		return buckettest.None
	}}
	_, err := registry.New(b).Apply(ctx, "prod", 0, named("a"), now)
	require.ErrorIs(t, err, bucket.ErrUnknown)
	require.NotErrorIs(t, err, registry.ErrConflict)
}

func TestLatestListsOnlyWhatIsNew(t *testing.T) {
	t.Parallel()
	listed := 0
	under := open(t)
	b := counting{under, &listed}
	writer, reader := registry.New(under), registry.New(b)
	for base := range int64(30) {
		_, err := writer.Apply(t.Context(), "prod", base, named("a"), now)
		require.NoError(t, err)
	}
	_, err := reader.Latest(t.Context(), "prod")
	require.NoError(t, err)
	require.Equal(t, 30, listed)
	_, err = writer.Apply(t.Context(), "prod", 30, named("b"), now)
	require.NoError(t, err)
	for range 3 {
		latest, err := reader.Latest(t.Context(), "prod")
		require.NoError(t, err)
		require.Equal(t, int64(31), latest.Number)
	}
	require.Equal(t, 31, listed)
}

func TestAWorkspaceThatWasRemovedIsNotFoundAndCanBeMadeAgain(t *testing.T) {
	t.Parallel()
	b := open(t)
	r := registry.New(b)
	for base := range int64(2) {
		_, err := r.Apply(t.Context(), "prod", base, named("a"), now)
		require.NoError(t, err)
	}
	_, err := r.Latest(t.Context(), "prod")
	require.NoError(t, err)
	for info, err := range b.List(t.Context(), "registry/", "") {
		require.NoError(t, err)
		require.NoError(t, b.Delete(t.Context(), info.Key))
	}
	_, err = r.Latest(t.Context(), "prod")
	require.ErrorIs(t, err, registry.ErrNotFound)
	_, err = r.Apply(t.Context(), "prod", 0, named("b"), now)
	require.NoError(t, err)
	latest, err := r.Latest(t.Context(), "prod")
	require.NoError(t, err)
	require.Equal(t, int64(1), latest.Number)
}

func TestObjectsThatAreNoGenerationsAreLeftOut(t *testing.T) {
	t.Parallel()
	b := open(t)
	r := registry.New(b)
	want, err := r.Apply(t.Context(), "prod", 0, named("a"), now)
	require.NoError(t, err)
	for _, key := range []string{"2.json", "0000000000000000002.json.bak", "notes", "0000000000000000002/a.json", "-000000000000000002.json", "9999999999999999999.json"} {
		require.NoError(t, b.Put(t.Context(), "registry/prod/"+key, []byte("{}")))
	}
	latest, err := registry.New(b).Latest(t.Context(), "prod")
	require.NoError(t, err)
	require.Equal(t, want, latest)
}

const firstKey = "registry/prod/0000000000000000001.json"

func TestDocumentsThatCannotBeTrustedAreRefused(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ document, want string }{
		"newer format":      {`{"format": 2, "entities": "in another form"}`, "format 2 is not known to this version of tilery"},
		"no format":         {`{}`, "format 0 is not known to this version of tilery"},
		"cut off":           {`{"format": 1`, "unexpected end of JSON input"},
		"another workspace": {`{"format": 1, "workspace": "dev", "generation": 1}`, `the object holds generation 1 of workspace "dev"`},
		"another number":    {`{"format": 1, "workspace": "prod", "generation": 2}`, `the object holds generation 2 of workspace "prod"`},
		"damaged type": {`{"format": 1, "workspace": "prod", "generation": 1, "entities": [{"name": "a", "join_keys": [{"name": "k", "type": "Text"}]}]}`,
			`unknown type "Text"`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := open(t)
			require.NoError(t, b.Put(t.Context(), firstKey, []byte(c.document)))
			r := registry.New(b)
			_, err := r.Latest(t.Context(), "prod")
			require.ErrorContains(t, err, "decode "+firstKey+": ")
			require.ErrorContains(t, err, c.want)
			_, err = r.Apply(t.Context(), "prod", 1, named("a"), now)
			require.ErrorContains(t, err, c.want)
		})
	}
}

func TestDocumentsAreReadableJSON(t *testing.T) {
	t.Parallel()
	b := open(t)
	g, err := registry.New(b).Apply(t.Context(), "prod", 0, named("airport"), now)
	require.NoError(t, err)
	data, err := b.Get(t.Context(), firstKey)
	require.NoError(t, err)
	var document map[string]any
	require.NoError(t, json.Unmarshal(data, &document))
	require.Equal(t, map[string]any{
		"format": 1.0, "workspace": "prod", "generation": 1.0, "id": g.ID, "applied_at": "2001-09-09T01:46:40Z",
		"objects":  []any{map[string]any{"kind": "Entity", "name": "airport", "id": g.Objects[0].ID, "created_at": "2001-09-09T01:46:40Z"}},
		"entities": []any{map[string]any{"name": "airport", "join_keys": []any{map[string]any{"name": "k", "type": "String"}}}},
	}, document)
}

func TestWorkspaceNames(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"a", "prod", "team-1_x", "a" + strings.Repeat("b", 63)} {
		require.NoError(t, registry.CheckWorkspace(name), name)
	}
	r := registry.New(open(t))
	for _, name := range []string{"", "Prod", "1a", "-a", "a/b", "a.b", "..", "a b", "a\n", "ä", "a" + strings.Repeat("b", 64)} {
		require.ErrorIs(t, registry.CheckWorkspace(name), registry.ErrWorkspace, name)
		_, err := r.Latest(t.Context(), name)
		require.ErrorIs(t, err, registry.ErrWorkspace)
		_, err = r.Get(t.Context(), name, 1)
		require.ErrorIs(t, err, registry.ErrWorkspace)
		_, err = r.Apply(t.Context(), name, 0, named("a"), now)
		require.ErrorIs(t, err, registry.ErrWorkspace)
		_, err = (&registry.Planner{Registry: r}).Plan(t.Context(), name, nil)
		require.ErrorIs(t, err, registry.ErrWorkspace)
	}
}

func TestWorkspacesAreListedOnce(t *testing.T) {
	t.Parallel()
	b, err := file.Open(t.TempDir())
	require.NoError(t, err)
	r := registry.New(b)
	names, err := r.Workspaces(t.Context())
	require.NoError(t, err)
	require.Empty(t, names)
	for _, name := range []string{"prod", "dev", "dev-2", "prod_eu"} {
		for base := range int64(3) {
			_, err := r.Apply(t.Context(), name, base, feature.Repository{}, 0)
			require.NoError(t, err)
		}
	}
	require.NoError(t, b.Put(t.Context(), "registry/stray/notes.txt", nil))
	names, err = r.Workspaces(t.Context())
	require.NoError(t, err)
	require.ElementsMatch(t, []string{"dev", "dev-2", "prod", "prod_eu"}, names)
}
