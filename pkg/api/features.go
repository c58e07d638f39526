package api

import "time"

// GetFeaturesRequest asks for one feature vector.
type GetFeaturesRequest struct {
	Params GetFeaturesParams `json:"params"`
}

// GetFeaturesParams are Tecton's parameters. Exactly one locator is given.
type GetFeaturesParams struct {
	FeatureServiceName string          `json:"featureServiceName,omitempty"`
	FeatureViewName    string          `json:"featureViewName,omitempty"`
	WorkspaceName      string          `json:"workspaceName"`
	JoinKeyMap         map[string]any  `json:"joinKeyMap"` // Int64 as number or decimal string
	RequestContextMap  map[string]any  `json:"requestContextMap,omitempty"`
	MetadataOptions    MetadataOptions `json:"metadataOptions,omitzero"`
	RequestOptions     RequestOptions  `json:"requestOptions,omitzero"`
}

// MetadataOptions choose what the response says about each feature.
type MetadataOptions struct {
	IncludeNames          bool `json:"includeNames,omitempty"`
	IncludeEffectiveTimes bool `json:"includeEffectiveTimes,omitempty"`
	IncludeDataTypes      bool `json:"includeDataTypes,omitempty"`
	IncludeServingStatus  bool `json:"includeServingStatus,omitempty"`
	IncludeSloInfo        bool `json:"includeSloInfo,omitempty"`
}

// RequestOptions change how values are read.
type RequestOptions struct {
	// CoerceNullCountsToZero returns 0 for the count of a window without rows.
	CoerceNullCountsToZero bool `json:"coerceNullCountsToZero,omitempty"`
}

// GetFeaturesResponse is one feature vector. Metadata is there when it was asked for.
type GetFeaturesResponse struct {
	Result   Result    `json:"result"`
	Metadata *Metadata `json:"metadata,omitempty"`
}

// Result holds the values in the order of the features' namespaces and names: nil,
// bool, a number for a float (or "NaN", "Infinity", "-Infinity"), string, or an
// array of these, nulls among them; an integer is a decimal string, a Timestamp
// RFC 3339.
type Result struct {
	Features []any `json:"features"`
}

// Metadata describes the features in the order of the values.
type Metadata struct {
	Features []FeatureMetadata `json:"features"`
	SloInfo  *SloInfo          `json:"sloInfo,omitempty"`
}

// Status of one value.
type Status string

// The statuses.
const (
	Present     Status = "PRESENT"
	MissingData Status = "MISSING_DATA" // no row of the entity in the window, or within the ttl
)

// FeatureMetadata describes one feature; what was not asked for is absent.
type FeatureMetadata struct {
	Name string `json:"name,omitempty"` // namespace (the view's name by default) and feature, joined by a dot
	// EffectiveTime is a spine time at which the offline store gives the same value:
	// of an aggregation, and where there is no row, the latest such; of a row without
	// aggregations the first, which is the row's effective time.
	EffectiveTime *time.Time `json:"effectiveTime,omitempty"`
	DataType      *DataType  `json:"dataType,omitempty"`
	Status        Status     `json:"status,omitempty"`
}

// DataType is the type of a served value: boolean, int64 (of all integers), float32,
// float64, string, or array.
type DataType struct {
	Type        string    `json:"type"`
	ElementType *DataType `json:"elementType,omitempty"` // of an array
}

// String renders t for people: "int64", "array<string>".
func (t DataType) String() string {
	if t.ElementType == nil {
		return t.Type
	}
	return t.Type + "<" + t.ElementType.String() + ">"
}

// SloInfo tells what the request cost.
type SloInfo struct {
	SloEligible          bool    `json:"sloEligible"`
	SloServerTimeSeconds float64 `json:"sloServerTimeSeconds"`
	ServerTimeSeconds    float64 `json:"serverTimeSeconds"`
	StoreTimeSeconds     float64 `json:"storeTimeSeconds"`
	StoreResponseBytes   int64   `json:"storeResponseSizeBytes"`
}
