package api

import "github.com/tilery/tilery/pkg/feature"

// ServiceMetadataPath is Tecton's endpoint that tells what a feature service takes
// and gives. It takes POST.
const ServiceMetadataPath = "/api/v1/feature-service/metadata"

// ServiceMetadataRequest asks for a feature service's inputs and outputs.
type ServiceMetadataRequest struct {
	Params ServiceMetadataParams `json:"params"`
}

// ServiceMetadataParams name a feature service.
type ServiceMetadataParams struct {
	FeatureServiceName string `json:"featureServiceName"`
	WorkspaceName      string `json:"workspaceName"`
}

// ServiceMetadata is what a feature service takes and gives. No list is null.
type ServiceMetadata struct {
	FeatureServiceType      feature.ServiceType `json:"featureServiceType"`
	InputJoinKeys           []NamedType         `json:"inputJoinKeys"` // without wildcards; get-features takes those too
	InputRequestContextKeys []NamedType         `json:"inputRequestContextKeys"`
	OutputJoinKeys          []NamedType         `json:"outputJoinKeys"` // the wildcards
	FeatureValues           []NamedType         `json:"featureValues"`  // in the order of get-features
}

// NamedType is a name with the type of its values.
type NamedType struct {
	Name     string   `json:"name"`
	DataType DataType `json:"dataType"`
}
