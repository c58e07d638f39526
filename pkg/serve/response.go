package serve

import (
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/tilery/tilery/pkg/api"
	"github.com/tilery/tilery/pkg/feature"
)

func respond(v *view, vector vector, p api.GetFeaturesParams, started time.Time) api.GetFeaturesResponse {
	response := api.GetFeaturesResponse{Result: api.Result{Features: make([]any, len(v.features))}}
	options := p.MetadataOptions
	for i, f := range v.features {
		response.Result.Features[i] = encodeValue(vector.values[i])
		if vector.values[i].IsNull() && f.function == feature.Count && p.RequestOptions.CoerceNullCountsToZero {
			response.Result.Features[i] = "0"
		}
	}
	if options != (api.MetadataOptions{}) {
		response.Metadata = describe(v, vector, options, started)
	}
	return response
}

func describe(v *view, vector vector, options api.MetadataOptions, started time.Time) *api.Metadata {
	metadata := &api.Metadata{Features: make([]api.FeatureMetadata, len(v.features))}
	effective := vector.effectiveTime.Time()
	for i, f := range v.features {
		m := &metadata.Features[i]
		if options.IncludeNames {
			m.Name = f.name
		}
		if options.IncludeEffectiveTimes {
			m.EffectiveTime = &effective
		}
		if options.IncludeDataTypes {
			m.DataType = &api.DataType{Type: f.dataType}
		}
		if options.IncludeServingStatus {
			m.Status = api.MissingData
			if vector.present[i] {
				m.Status = api.Present
			}
		}
	}
	if options.IncludeSloInfo {
		spent := time.Since(started).Seconds()
		metadata.SloInfo = &api.SloInfo{
			SloEligible: vector.storeBytes <= maxEligibleBytes, SloServerTimeSeconds: spent, ServerTimeSeconds: spent,
			StoreTimeSeconds: vector.storeTime.Seconds(), StoreResponseBytes: vector.storeBytes,
		}
	}
	return metadata
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
