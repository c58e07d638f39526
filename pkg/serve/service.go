package serve

import (
	"context"
	"errors"
	"slices"

	"github.com/tilery/tilery/pkg/api"
	"github.com/tilery/tilery/pkg/registry"
)

// serviceMetadata tells what a feature service takes and gives.
func (s *Server) serviceMetadata(ctx context.Context, body []byte) (any, error) {
	p, err := decodeParams(body)
	if err != nil {
		return nil, err
	}
	switch {
	case p.WorkspaceName == "":
		return nil, fail(api.InvalidArgument, "Missing required field: `workspaceName`")
	case p.FeatureServiceName == "":
		return nil, fail(api.InvalidArgument, "Missing required field: `featureServiceName`")
	}
	q, err := s.views.get(ctx, p.WorkspaceName, locator{service: true, name: p.FeatureServiceName})
	if errors.Is(err, registry.ErrNotFound) || errors.Is(err, registry.ErrWorkspace) {
		return nil, fail(api.NotFound, "Unknown feature_service_name: %s for workspace: %s", p.FeatureServiceName, p.WorkspaceName)
	}
	if err != nil {
		return nil, err
	}
	return q.metadata(), nil
}

func (q *query) metadata() api.ServiceMetadata {
	out := api.ServiceMetadata{
		FeatureServiceType: q.kind, InputJoinKeys: []api.NamedType{}, InputRequestContextKeys: []api.NamedType{},
		OutputJoinKeys: []api.NamedType{}, FeatureValues: make([]api.NamedType, 0, q.size),
	}
	for _, key := range q.keys {
		named := api.NamedType{Name: key.Name, DataType: dataType(key.Type)}
		if slices.Contains(q.wildcards, key.Name) {
			out.OutputJoinKeys = append(out.OutputJoinKeys, named)
		} else {
			out.InputJoinKeys = append(out.InputJoinKeys, named)
		}
	}
	for _, part := range q.parts {
		for _, f := range part.features {
			out.FeatureValues = append(out.FeatureValues, api.NamedType{Name: f.name, DataType: f.dataType})
		}
	}
	return out
}
