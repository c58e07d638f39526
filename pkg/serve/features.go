package serve

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
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
	var request api.GetFeaturesRequest
	if err := decodeTecton(body, &request); err != nil {
		return nil, fail(api.InvalidArgument, "%v", err)
	}
	p := request.Params
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
	for name := range values {
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

func respond(v *view, vector Vector, p api.GetFeaturesParams, started time.Time) api.GetFeaturesResponse {
	response := api.GetFeaturesResponse{Result: api.Result{Features: make([]any, len(v.features))}}
	options := p.MetadataOptions
	metadata := &api.Metadata{Features: make([]api.FeatureMetadata, len(v.features))}
	effective := vector.EffectiveTime.Time()
	for i, f := range v.features {
		value, m := vector.Values[i], &metadata.Features[i]
		response.Result.Features[i] = encodeValue(value)
		if value.IsNull() && f.function == feature.Count && p.RequestOptions.CoerceNullCountsToZero {
			response.Result.Features[i] = "0"
		}
		if options.IncludeNames {
			m.Name = v.target.View.Name + "." + f.name
		}
		if options.IncludeEffectiveTimes {
			m.EffectiveTime = &effective
		}
		if options.IncludeDataTypes {
			m.DataType = &api.DataType{Type: dataType(f.output)}
		}
		if options.IncludeServingStatus {
			m.Status = api.MissingData
			if vector.Present[i] {
				m.Status = api.Present
			}
		}
	}
	if options.IncludeSloInfo {
		spent := time.Since(started).Seconds()
		metadata.SloInfo = &api.SloInfo{
			SloEligible: vector.StoreBytes <= maxEligibleBytes, SloServerTimeSeconds: spent, ServerTimeSeconds: spent,
			StoreTimeSeconds: vector.StoreTime.Seconds(), StoreResponseBytes: vector.StoreBytes,
		}
	}
	if options != (api.MetadataOptions{}) {
		response.Metadata = metadata
	}
	return response
}

// maxEligibleBytes is how much a request may read to count for Tecton's service level.
const maxEligibleBytes = 2 << 20

// encodeValue renders a value as Tecton does: Int64 as a decimal string, floats
// that JSON lacks by name.
func encodeValue(v feature.Value) any {
	switch v.Type() {
	case feature.Bool:
		return v.Bool()
	case feature.Int64:
		return strconv.FormatInt(v.Int64(), 10)
	case feature.Float64:
		switch f := v.Float64(); {
		case math.IsNaN(f):
			return "NaN"
		case math.IsInf(f, 1):
			return "Infinity"
		case math.IsInf(f, -1):
			return "-Infinity"
		default:
			return f
		}
	case feature.String:
		return v.Text()
	default:
		return nil
	}
}

// dataType names a type as the serving API does.
func dataType(t feature.Type) string {
	if t == feature.Bool {
		return "boolean"
	}
	return strings.ToLower(t.String())
}

// decodeTecton reads a request whose fields are in snake_case or camelCase.
// Numbers keep their digits. Unknown fields are passed over: newer clients send
// options that this server has no use for.
func decodeTecton(body []byte, request *api.GetFeaturesRequest) error {
	var raw map[string]any
	if err := decodeJSON(body, &raw); err != nil {
		return err
	}
	normal, err := json.Marshal(camelCase(raw))
	if err != nil {
		return err
	}
	return decodeJSON(normal, request)
}

func decodeJSON(body []byte, target any) error {
	decoder := json.NewDecoder(bytes.NewReader(body))
	decoder.UseNumber()
	if err := decoder.Decode(target); err != nil {
		return fmt.Errorf("request body is not valid JSON: %w", err)
	}
	if decoder.More() {
		return errors.New("request body is not valid JSON: more than one value")
	}
	return nil
}

// userMaps are the fields whose keys are the user's and stay as they are.
var userMaps = []string{"joinKeyMap", "requestContextMap"}

func camelCase(fields map[string]any) map[string]any {
	out := make(map[string]any, len(fields))
	for name, value := range fields {
		parts := strings.Split(name, "_")
		for i := 1; i < len(parts); i++ {
			if parts[i] != "" {
				parts[i] = strings.ToUpper(parts[i][:1]) + parts[i][1:]
			}
		}
		name = strings.Join(parts, "")
		if nested, ok := value.(map[string]any); ok && !slices.Contains(userMaps, name) {
			value = camelCase(nested)
		}
		out[name] = value
	}
	return out
}
