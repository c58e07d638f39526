package serve

import (
	"context"
	"encoding/json"
	"errors"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/tilery/tilery/pkg/api"
	"github.com/tilery/tilery/pkg/feature"
	"github.com/tilery/tilery/pkg/record"
	"github.com/tilery/tilery/pkg/registry"
)

func (s *Server) getFeatures(ctx context.Context, body []byte) (any, error) {
	started := time.Now()
	p, err := decodeParams(body)
	if err != nil {
		return nil, err
	}
	v, err := s.locate(ctx, p)
	if err != nil {
		return nil, err
	}
	entity, err := encodeEntity(v.target.View.JoinKeys(), p.JoinKeyMap)
	if err != nil {
		return nil, err
	}
	vector, err := v.read(ctx, s.online, entity)
	if errors.Is(err, errNoData) {
		return nil, fail(api.NotFound, "Cannot retrieve features. FeatureView: %s has no materialized data in the online store.", v.target.View.Name)
	}
	if err != nil {
		return nil, err
	}
	return respond(v, vector, p, started), nil
}

// locate finds what the request names, as of the newest generation.
func (s *Server) locate(ctx context.Context, p api.GetFeaturesParams) (*view, error) {
	switch {
	case p.WorkspaceName == "":
		return nil, fail(api.InvalidArgument, "Missing required field: `workspaceName`")
	case p.FeatureServiceName != "" && p.FeatureViewName != "":
		return nil, fail(api.InvalidArgument, "Only one of `featureServiceName` and `featureViewName` may be given")
	case p.FeatureServiceName != "":
		return nil, fail(api.NotFound, "Unable to query FeatureService `%s` for workspace `%s`. Newly created feature services may take up to 60 seconds to query. Also, ensure that the workspace is a live workspace.", p.FeatureServiceName, p.WorkspaceName)
	case p.FeatureViewName == "":
		return nil, fail(api.InvalidArgument, "Missing required field: one of `featureServiceName` and `featureViewName`")
	}
	v, err := s.views.get(ctx, p.WorkspaceName, p.FeatureViewName)
	if errors.Is(err, registry.ErrNotFound) || errors.Is(err, registry.ErrWorkspace) {
		return nil, fail(api.NotFound, "Unable to query FeatureView `%s` for workspace `%s`. Newly created feature views may take up to 60 seconds to query. Also, ensure that the workspace is a live workspace.", p.FeatureViewName, p.WorkspaceName)
	}
	return v, err
}

func encodeEntity(keys []feature.Field, values map[string]any) ([]byte, error) {
	names := feature.Schema(keys).Names()
	for _, name := range slices.Sorted(maps.Keys(values)) {
		if !slices.Contains(names, name) {
			return nil, fail(api.InvalidArgument, "Unknown join key: %s, expected one of: [%s]", name, strings.Join(names, " "))
		}
	}
	entity := make([]feature.Value, len(keys))
	for i, key := range keys {
		raw, ok := values[key.Name]
		if !ok {
			return nil, fail(api.InvalidArgument, "Missing required join key: `%s`", key.Name)
		}
		var valid bool
		if entity[i], valid = parseKey(key.Type, raw); !valid {
			return nil, fail(api.InvalidArgument, "Unexpected JSON type for %s in joinKeyMap. Expected %s or null.", key.Name, dataType(key.Type))
		}
	}
	encoded, err := record.AppendKey(nil, keys, entity)
	if err != nil {
		return nil, fail(api.InvalidArgument, "%v", err)
	}
	return encoded, nil
}

// parseKey reads a join key: an Int64 is a decimal string or a whole number.
func parseKey(t feature.Type, raw any) (feature.Value, bool) {
	text, isText := raw.(string)
	number, isNumber := raw.(json.Number)
	switch {
	case raw == nil:
		return feature.Null, true
	case t == feature.String && isText:
		return feature.StringValue(text), true
	case t == feature.Int64 && (isText || isNumber):
		n, err := strconv.ParseInt(text+number.String(), 10, 64)
		return feature.Int64Value(n), err == nil
	}
	return feature.Null, false
}
