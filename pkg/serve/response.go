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
			value := values[f.index]
			if p.RequestOptions.CoerceNullCountsToZero {
				value = f.zeroForNull(value)
			}
			response.Result.Features = append(response.Result.Features, encodeValue(value))
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
				m.DataType = &f.dataType
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

// encodeValue renders a value as Tecton does: integers as decimal strings, floats
// that JSON lacks by name, arrays as arrays of such values and nulls. Timestamps,
// which Tecton does not serve, are RFC 3339.
func encodeValue(v feature.Value) any {
	switch v.Type() {
	case feature.Bool:
		return v.Bool()
	case feature.Int32:
		return strconv.FormatInt(int64(v.Int32()), 10)
	case feature.Int64:
		return strconv.FormatInt(v.Int64(), 10)
	case feature.Float32:
		// Not widened: JSON has the shortest text that is this value with 32 bits.
		return encodeFloat(v.Float32())
	case feature.Float64:
		return encodeFloat(v.Float64())
	case feature.String:
		return v.Text()
	case feature.Timestamp:
		return v.Timestamp().String()
	}
	if !v.Type().IsArray() {
		return nil
	}
	elements := make([]any, 0, v.Len())
	for element := range v.Elements() {
		elements = append(elements, encodeValue(element))
	}
	return elements
}

func encodeFloat[T float32 | float64](f T) any {
	switch {
	case f != f:
		return "NaN"
	case math.IsInf(float64(f), 1):
		return "Infinity"
	case math.IsInf(float64(f), -1):
		return "-Infinity"
	}
	return f
}

// dataType describes the type of a served value as the serving API does, which has
// one type of integers.
func dataType(t feature.Type) api.DataType {
	switch {
	case t.IsArray():
		element := dataType(t.Element())
		return api.DataType{Type: "array", ElementType: &element}
	case t == feature.Bool:
		return api.DataType{Type: "boolean"}
	case t == feature.Int32:
		return api.DataType{Type: "int64"}
	case t == feature.Timestamp:
		return api.DataType{Type: "string"}
	}
	return api.DataType{Type: strings.ToLower(t.String())}
}
