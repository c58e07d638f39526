package serve_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tilery/tilery/pkg/api"
	"github.com/tilery/tilery/pkg/feature/repository"
	"github.com/tilery/tilery/pkg/registry"
)

func decode[T any](t *testing.T, status int, body string) (out T) {
	t.Helper()
	require.Equal(t, http.StatusOK, status, body)
	require.NoError(t, json.Unmarshal([]byte(body), &out))
	return out
}

func requireError(t *testing.T, wantStatus int, wantCode api.Code, text string, status int, body string) {
	t.Helper()
	var answer api.Error
	require.NoError(t, json.Unmarshal([]byte(body), &answer))
	require.Equal(t, wantStatus, status, body)
	require.Equal(t, wantCode, answer.Code)
	require.Contains(t, answer.Text, text)
	require.Equal(t, answer.Text, answer.Message)
}

func TestPlanChangesNothingAndApplyDoesWhatWasPlanned(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	request := api.PlanRequest{Workspace: "prod", Files: s.definitions(nil)}
	for range 2 {
		status, body := s.post(api.PlanPath, request)
		plan := decode[api.PlanResponse](t, status, body)
		require.Zero(t, plan.Base)
		require.Len(t, plan.Changes, 3)
		require.Equal(t, registry.Create, plan.Changes[2].Action)
	}
	status, body := s.post(api.ApplyPath, api.ApplyRequest{PlanRequest: request})
	applied := decode[api.ApplyResponse](t, status, body)
	require.Equal(t, int64(1), applied.Generation)
	require.Len(t, applied.Changes, 3)

	status, body = s.post(api.ApplyPath, api.ApplyRequest{PlanRequest: request, BaseGeneration: 1})
	applied = decode[api.ApplyResponse](t, status, body)
	require.Equal(t, int64(1), applied.Generation, "nothing to change makes no generation")
	require.Empty(t, applied.Changes)
}

func TestApplyOfAnOutdatedPlanIsAborted(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	s.apply(0, nil)
	request := api.ApplyRequest{PlanRequest: api.PlanRequest{Workspace: "prod", Files: s.definitions(nil)}}
	for _, base := range []int64{0, 2} {
		request.BaseGeneration = base
		status, body := s.post(api.ApplyPath, request)
		requireError(t, 409, 10, "workspace prod is at generation 1", status, body)
		requireError(t, 409, 10, "plan again", status, body)
	}
}

// The conflict that only the put finds out about.
func TestOfTwoAppliesAtOnceOneIsAborted(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	request := api.ApplyRequest{PlanRequest: api.PlanRequest{Workspace: "prod", Files: s.definitions(nil)}}
	type answer struct {
		status int
		body   string
	}
	answers := make(chan answer, 4)
	for range cap(answers) {
		go func() {
			status, body := s.post(api.ApplyPath, request)
			answers <- answer{status, body}
		}()
	}
	won := 0
	for range cap(answers) {
		a := <-answers
		if a.status == http.StatusOK {
			won++
			continue
		}
		requireError(t, 409, 10, "plan again", a.status, a.body)
	}
	require.Equal(t, 1, won)
}

func TestBrokenDefinitionsAreNamedByPlace(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	for text, change := range map[string][2]string{
		"features.yaml:31: BatchFeatureView spending: aggregations[0].function": {"function: sum", "function: summ"},
		"features.yaml:23: BatchFeatureView spending: sources[0]: no source":    {"sources: [events]", "sources: [event]"},
		"BatchFeatureView spending: transformation":                             {"SELECT user", "SELECT nobody"},
	} {
		request := api.PlanRequest{Workspace: "prod", Files: s.definitions(func(text string) string {
			return strings.Replace(text, change[0], change[1], 1)
		})}
		for path, body := range map[string]any{api.PlanPath: request, api.ApplyPath: api.ApplyRequest{PlanRequest: request}} {
			status, answer := s.post(path, body)
			requireError(t, 400, 3, text, status, answer)
		}
	}
	require.Empty(t, s.log.String())
}

func TestRequestsThatCannotBePlannedAreRefused(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	for _, path := range []string{api.PlanPath, api.ApplyPath} {
		status, body := s.post(path, `{"workspace":`)
		requireError(t, 400, 3, "request body is not valid JSON", status, body)
		status, body = s.post(path, api.PlanRequest{Workspace: "No!", Files: s.definitions(nil)})
		requireError(t, 400, 3, "bad workspace name", status, body)
		many := make([]repository.File, repository.MaxFiles+1)
		status, body = s.post(path, api.PlanRequest{Workspace: "prod", Files: many})
		requireError(t, 400, 3, "feature repository is too large", status, body)
		status, body = s.post(path, `"`+strings.Repeat("x", 2*repository.MaxBytes)+`"`)
		requireError(t, 400, 3, "request body is larger than", status, body)
	}
}

func TestFeaturesFollowAnApplyAtOnce(t *testing.T) {
	t.Parallel()
	s := newFilled(t)
	_, body := s.features(1, `,"metadataOptions":{"includeNames":true}`)
	require.Contains(t, body, "spending.z_last_hour")
	s.apply(1, func(text string) string { return strings.Replace(text, "z_last_hour", "last_hour", 1) })
	_, body = s.features(1, `,"metadataOptions":{"includeNames":true}`)
	require.Contains(t, body, "spending.last_hour")

	s.apply(2, func(text string) string { return strings.Replace(text, "name: spending", "name: spendings", 1) })
	status, body := s.features(1, "")
	requireError(t, 404, 5, "Unable to query FeatureView `spending`", status, body)
}
