package serve

import (
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/tilery/tilery/pkg/api"
	"github.com/tilery/tilery/pkg/feature"
)

func respond(q *query, r reading, p api.GetFeaturesParams, started time.Time) api.GetFeaturesResponse {
	response := api.GetFeaturesResponse{Result: api.Result{Features: make([]any, 0, q.size)}}
	for i, part := range q.parts {
		values := r.vectors[i].values
		for _, f := range part.features {
			value := encodeValue(values[f.index])
			if value == nil && f.count && p.RequestOptions.CoerceNullCountsToZero {
				value = "0"
			}
			response.Result.Features = append(response.Result.Features, value)
		}
	}
	if p.MetadataOptions != (api.MetadataOptions{}) {
		response.Metadata = describe(q, r, p.MetadataOptions, started)
	}
	return response
}

func describe(q *query, r reading, options api.MetadataOptions, started time.Time) *api.Metadata {
	metadata := &api.Metadata{Features: make([]api.FeatureMetadata, 0, q.size)}
	for i, part := range q.parts {
		effective := r.vectors[i].effective.Time()
		for _, f := range part.features {
			var m api.FeatureMetadata
			if options.IncludeNames {
				m.Name = f.name
			}
			if options.IncludeEffectiveTimes {
				m.EffectiveTime = &effective
			}
			if options.IncludeDataTypes {
				m.DataType = f.dataType
			}
			if options.IncludeServingStatus {
				m.Status = api.MissingData
				if r.vectors[i].present[f.index] {
					m.Status = api.Present
				}
			}
			metadata.Features = append(metadata.Features, m)
		}
	}
	if options.IncludeSloInfo {
		spent := time.Since(started).Seconds()
		metadata.SloInfo = &api.SloInfo{
			SloEligible: r.storeBytes <= maxEligibleBytes, SloServerTimeSeconds: spent, ServerTimeSeconds: spent,
			StoreTimeSeconds: r.storeTime.Seconds(), StoreResponseBytes: r.storeBytes,
		}
	}
	return metadata
}

// maxEligibleBytes is how much a request may read to count for Tecton's service level.
const maxEligibleBytes = 2 << 20

// encodeValue renders a value as Tecton does: Int64 as a decimal string, floats
// that JSON lacks by name. Timestamps, which Tecton does not serve, are RFC 3339.
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
	case feature.Timestamp:
		return v.Timestamp().String()
	default:
		return nil
	}
}

// dataType names the type of a served value as the serving API does.
func dataType(t feature.Type) string {
	switch t {
	case feature.Bool:
		return "boolean"
	case feature.Timestamp:
		return "string"
	default:
		return strings.ToLower(t.String())
	}
}
