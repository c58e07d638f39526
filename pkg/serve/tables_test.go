package serve_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tilery/tilery/pkg/api"
	"github.com/tilery/tilery/pkg/feature/repository"
	"github.com/tilery/tilery/pkg/ledger"
	"github.com/tilery/tilery/pkg/registry"
	"github.com/tilery/tilery/pkg/serve"
)

// newTables returns a scene with the feature table risk, a service of it and a view,
// and a server that has an engine and a ledger.
func newTables(t *testing.T) (*scene, http.Handler) {
	t.Helper()
	s := newScene(t)
	files := append(s.definitions(nil), repository.File{Path: "risk.yaml", Content: riskYAML +
		"---\nkind: FeatureService\nname: both\nfeatures: [risk, {feature_view: spending, features: [a_label]}]\n"})
	server := s.with(func(o *serve.Options) { o.Engine, o.Ledger = s.engine, ledger.New(s.bucket) })
	request := api.PlanRequest{Workspace: "prod", Files: files}
	status, body := post(t, server, api.PlanPath, request)
	plan := decode[api.PlanResponse](t, status, body)
	last := plan.Changes[len(plan.Changes)-2]
	require.Equal(t, []string{registry.KindTable, "risk"}, []string{last.Kind, last.Name})
	require.Len(t, plan.Costs, 1, "a table has nothing to backfill")
	require.Equal(t, "spending", plan.Costs[0].View)
	status, body = post(t, server, api.ApplyPath, api.ApplyRequest{PlanRequest: request})
	require.Equal(t, http.StatusOK, status, body)
	return s, server
}

func TestATableIsNoBatchFeatureView(t *testing.T) {
	t.Parallel()
	_, server := newTables(t)
	describe := func(kind string) (int, string) {
		return post(t, server, api.DescribePath, api.DescribeRequest{Workspace: "prod", Name: "risk", Kind: kind})
	}
	status, body := describe(registry.KindTable)
	response := decode[api.DescribeResponse](t, status, body)
	require.Nil(t, response.FeatureView)
	require.Equal(t, []string{"score", "embedding"}, response.FeatureTable.Features)
	require.Equal(t, response.FeatureTable.Fingerprint, response.FeatureTable.ServingStore.Fingerprint)
	status, body = describe(registry.KindView)
	requireError(t, http.StatusNotFound, api.NotFound, `no BatchFeatureView "risk" in workspace prod at generation 1`, status, body)
}

func TestServicesOfTablesHaveMetadata(t *testing.T) {
	t.Parallel()
	_, server := newTables(t)
	status, body := post(t, server, api.ServiceMetadataPath, `{"params":{"feature_service_name":"both","workspaceName":"prod"}}`)
	require.Equal(t, http.StatusOK, status, body)
	require.JSONEq(t, `{"featureServiceType": "DEFAULT", "inputJoinKeys": [{"name": "user", "dataType": {"type": "int64"}}],
		"inputRequestContextKeys": [], "outputJoinKeys": [], "featureValues": [
		{"name": "risk.embedding", "dataType": {"type": "array", "elementType": {"type": "float32"}}},
		{"name": "risk.score", "dataType": {"type": "float64"}},
		{"name": "spending.a_label", "dataType": {"type": "string"}}]}`, body)
}

func TestJobsOfATableAreListedBeforeItHasAny(t *testing.T) {
	t.Parallel()
	_, server := newTables(t)
	status, body := post(t, server, api.MaterializationStatusPath, api.MaterializationStatusRequest{Workspace: "prod", FeatureView: "risk"})
	require.Empty(t, decode[api.MaterializationStatusResponse](t, status, body).Rows)
	status, body = post(t, server, api.ListJobsPath, api.ListJobsRequest{Workspace: "prod", FeatureView: "risk"})
	require.Empty(t, decode[api.ListJobsResponse](t, status, body).Jobs)
	status, body = post(t, server, api.GetJobPath, api.GetJobRequest{Workspace: "prod", JobID: strings.Repeat("0", 32)})
	requireError(t, http.StatusNotFound, api.NotFound, "of any view in workspace prod", status, body)
	status, body = post(t, server, api.ListJobsPath, api.ListJobsRequest{Workspace: "prod", FeatureView: "other"})
	requireError(t, http.StatusNotFound, api.NotFound, `no feature view "other" in workspace prod, and no job of one`, status, body)
}
