package serve_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tilery/tilery/pkg/api"
	"github.com/tilery/tilery/pkg/clock"
	"github.com/tilery/tilery/pkg/feature/repository"
	"github.com/tilery/tilery/pkg/serve"
)

// newReplaced returns a scene with services whose views are filled for a day, of three
// events of user 1, with the server's clock at its end.
func newReplaced(t *testing.T) *scene {
	t.Helper()
	noon := start.Add(36 * time.Hour)
	s := newServices(t,
		event{user: 1, at: noon - 2, n: ptr(int64(8)), label: ptr("x")},
		event{user: 1, at: noon - 1, n: ptr(int64(5)), label: ptr("y")},
		event{user: 1, at: noon, n: ptr(int64(7)), label: ptr("z")},
	)
	s.options.Clock = clock.Fixed(start.Add(2*day + 2*time.Hour))
	s.options.Engine = s.engine
	s.server = serve.New(s.options)
	s.fill(0, 2, "spending", "latest")
	return s
}

// redefine applies the scene's definitions, changed, on a generation.
func (s *scene) redefine(base int64, change *strings.Replacer) {
	s.t.Helper()
	files := append(s.definitions(nil), repository.File{Path: "latest.yaml", Content: latestYAML})
	for i := range files {
		files[i].Content = change.Replace(files[i].Content)
	}
	status, body := s.post(api.ApplyPath, api.ApplyRequest{
		PlanRequest: api.PlanRequest{Workspace: "prod", Files: files}, BaseGeneration: base,
	})
	require.Equal(s.t, http.StatusOK, status, body)
}

// switchOver has the filling store of a view serve. A new server knows it at once.
func (s *scene) switchOver(view string, generation int64) {
	s.t.Helper()
	result, err := s.engine.Switch(s.t.Context(), "prod", view, s.options.Clock.Now())
	require.NoError(s.t, err)
	require.Equal(s.t, generation, result.Generation, result.Lacks)
	s.server = serve.New(s.options)
}

// values are the names and values of a vector, or of a service's.
func (s *scene) values(params string) string {
	s.t.Helper()
	status, body := s.post(api.GetFeaturesPath, `{"params":{"workspaceName":"prod","metadataOptions":{"includeNames":true},`+params+`}}`)
	require.Equal(s.t, http.StatusOK, status, body)
	var response api.GetFeaturesResponse
	require.NoError(s.t, json.Unmarshal([]byte(body), &response))
	out := make([]string, len(response.Result.Features))
	for i, value := range response.Result.Features {
		out[i] = fmt.Sprintf("%s=%v", response.Metadata.Features[i].Name, value)
	}
	return strings.Join(out, " ")
}

const (
	ofSpending = `"featureViewName":"spending","joinKeyMap":{"user":"1"}`
	ofAll      = `"featureServiceName":"all","joinKeyMap":{"user":"1"}`
	ofPair     = `"featureServiceName":"pair","joinKeyMap":{"sender":"1","recipient":"1"}`
)

func TestTheOldStoreIsReadUntilTheNewOneIsFilled(t *testing.T) {
	t.Parallel()
	s := newReplaced(t)
	before := map[string]string{}
	for _, params := range []string{ofSpending, ofAll, ofPair} {
		before[params] = s.values(params)
	}
	require.Contains(t, before[ofSpending], "spending.n_sum_1d_1h=20")

	s.redefine(1, strings.NewReplacer("label FROM events", "label FROM events WHERE n > 5"))
	old := s.server
	same := func(when string) {
		t.Helper()
		s.server = serve.New(s.options)
		for params, want := range before {
			require.Equal(t, want, s.values(params), when)
		}
		s.server = old
		require.Equal(t, before[ofSpending], s.values(ofSpending), when)
	}
	same("nothing is filled")
	s.fill(1, 2, "spending")
	same("not all is filled")
	s.fill(0, 1, "spending")
	same("all is filled and nothing was switched")
	s.switchOver("spending", 3)
	require.Contains(t, s.values(ofSpending), "spending.n_sum_1d_1h=15")
	require.Contains(t, s.values(ofAll), "spending.n_sum_1d_1h=15")
	require.Eventually(t, func() bool {
		status, body := post(t, old, api.GetFeaturesPath, ask(1, ""))
		require.Equal(t, http.StatusOK, status, body)
		return strings.Contains(body, `"15"`)
	}, 10*time.Second, 20*time.Millisecond, "a server that runs comes to it by itself")
}

func TestServicesTakeFromTheOldStoreWhatTheyTookThen(t *testing.T) {
	t.Parallel()
	s := newReplaced(t)
	pair, all := s.values(ofPair), s.values(ofAll)
	require.Equal(t, "by.amount=<nil> by.label=z to.n=7 z.a_label=z z.n_count_1d_1h=3", pair)
	s.redefine(1, strings.NewReplacer(
		"name: a_label", "name: b_label", "[a_label, n_count_1d_1h]", "[b_label, n_min_1d_1h]",
		"  - {column: n, function: sum", "  - {column: n, function: min, time_window: 1d}\n  - {column: n, function: sum",
		"name: all\nfeatures: [spending, latest]", "name: all\nfeatures: [spending]\n---\nkind: FeatureService\nname: new\nfeatures:\n"+
			"  - {feature_view: spending, features: [b_label, n_min_1d_1h, n_sum_1d_1h], join_key_map: {user: buyer}}\n"+
			"  - {feature_view: spending, features: [n_min_1d_1h], namespace: smallest}",
	))
	const ofNew = `"featureServiceName":"new","joinKeyMap":{"buyer":"1","user":"1"}`
	require.Equal(t, pair, s.values(ofPair), "the names are those of the old store")
	require.Contains(t, all, s.values(ofAll))
	require.NotContains(t, s.values(ofAll), "latest.", "what it takes from other views changes at once")
	require.Equal(t, "spending.n_sum_1d_1h=20", s.values(ofNew), "a new service has what the old store has")

	s.fill(0, 2, "spending")
	s.switchOver("spending", 3)
	require.Equal(t, "by.amount=<nil> by.label=z to.n=7 z.b_label=z z.n_min_1d_1h=5", s.values(ofPair))
	require.Equal(t, "smallest.n_min_1d_1h=5 spending.b_label=z spending.n_min_1d_1h=5 spending.n_sum_1d_1h=20", s.values(ofNew))
}

func TestADescriptionTellsWhichStoreServesAndHowFarTheNewOneIs(t *testing.T) {
	t.Parallel()
	s := newReplaced(t)
	describe := func() *api.FeatureViewProperties {
		status, body := s.post(api.DescribePath, api.DescribeRequest{Workspace: "prod", Name: "spending"})
		return decode[api.DescribeResponse](t, status, body).FeatureView
	}
	view := describe()
	require.Nil(t, view.FillingStore)
	first := api.StoreProperties{Fingerprint: view.Fingerprint, Generation: 1}
	require.Equal(t, first, view.ServingStore)

	s.redefine(1, strings.NewReplacer("label FROM events", "label FROM events WHERE n > 5"))
	s.fill(1, 2, "spending")
	view = describe()
	require.Equal(t, first, view.ServingStore)
	require.Equal(t, &api.FillingProperties{
		StoreProperties: api.StoreProperties{Fingerprint: view.Fingerprint, Generation: 2}, Windows: 2, Missing: 1,
		Lacks: "1 of 2 windows that the serving store covers, the newest in [2001-01-04T00:00:00Z, 2001-01-05T00:00:00Z)",
	}, view.FillingStore)
	s.fill(0, 1, "spending")
	require.Equal(t, 0, describe().FillingStore.Missing)
	require.Empty(t, describe().FillingStore.Lacks)
	s.switchOver("spending", 3)
	view = describe()
	require.Equal(t, api.StoreProperties{Fingerprint: view.Fingerprint, Generation: 3}, view.ServingStore)
	require.Nil(t, view.FillingStore)
}
