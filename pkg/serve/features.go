package serve

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/tilery/tilery/pkg/api"
	"github.com/tilery/tilery/pkg/feature"
	"github.com/tilery/tilery/pkg/registry"
)

func (s *Server) getFeatures(ctx context.Context, body []byte) (any, error) {
	started := time.Now()
	p, err := decodeParams(body)
	if err != nil {
		return nil, err
	}
	q, err := s.locate(ctx, p)
	if err != nil {
		return nil, err
	}
	entities, err := q.entities(p.JoinKeyMap)
	if err != nil {
		return nil, err
	}
	read, err := q.read(ctx, s.online, entities, s.clock.Now())
	var notReady *noDataError
	if errors.As(err, &notReady) {
		return nil, fail(api.NotFound, "Cannot retrieve features. FeatureView: %s has no materialized data in the online store.", notReady.view)
	}
	if err != nil {
		return nil, err
	}
	return respond(q, read, p, started), nil
}

// locate finds what the request names, as of the newest generation.
func (s *Server) locate(ctx context.Context, p api.GetFeaturesParams) (*query, error) {
	kind, name, plural := "FeatureService", p.FeatureServiceName, "feature services"
	switch {
	case p.WorkspaceName == "":
		return nil, fail(api.InvalidArgument, "Missing required field: `workspaceName`")
	case name != "" && p.FeatureViewName != "":
		return nil, fail(api.InvalidArgument, "Only one of `featureServiceName` and `featureViewName` may be given")
	case name == "" && p.FeatureViewName == "":
		return nil, fail(api.InvalidArgument, "Missing required field: one of `featureServiceName` and `featureViewName`")
	case name == "":
		kind, name, plural = "FeatureView", p.FeatureViewName, "feature views"
	}
	q, err := s.views.get(ctx, p.WorkspaceName, locator{service: p.FeatureServiceName != "", name: name})
	if errors.Is(err, registry.ErrNotFound) || errors.Is(err, registry.ErrWorkspace) {
		return nil, fail(api.NotFound, "Unable to query %s `%s` for workspace `%s`. Newly created %s may take up to 60 seconds to query. Also, ensure that the workspace is a live workspace.", kind, name, p.WorkspaceName, plural)
	}
	return q, err
}

// checkKeys refuses join keys that the query does not have, and asks for those
// that it does.
func (q *query) checkKeys(values map[string]any) error {
	names := feature.Schema(q.keys).Names()
	for _, name := range slices.Sorted(maps.Keys(values)) {
		if !slices.Contains(names, name) {
			return fail(api.InvalidArgument, "Unknown join key: %s, expected one of: [%s]", name, strings.Join(names, " "))
		}
	}
	for _, name := range names {
		if _, ok := values[name]; !ok {
			return fail(api.InvalidArgument, "Missing required join key: `%s`", name)
		}
	}
	return nil
}
