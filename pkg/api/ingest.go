package api

// Endpoints of feature tables. A data frame becomes rows of a table in three steps: a
// DataFrameInfoRequest reserves a path, the frame's file is put to the address that is
// answered, and an IngestRequest starts the job. The first and the last have Tecton's
// names and shapes.
const (
	DataFrameInfoPath = "/api/v1/jobs/get-dataframe-info"
	// FramesPath takes PUT with the parameter path, and answers 201 with a StagedFrame.
	// The parameter format names the file's, else Content-Type does, and Parquet if
	// neither does. Put again before its job began, the later file counts.
	FramesPath = "/api/v1/frames"
	IngestPath = "/api/v1/jobs/ingest-dataframe"
)

// PathParameter is the df_path at FramesPath.
const PathParameter = "path"

// DataFrameInfoRequest asks where to put a data frame for a feature table.
type DataFrameInfoRequest struct {
	Workspace   string `json:"workspace"`
	FeatureView string `json:"feature_view"` // the feature table
}

// DataFrameInfoResponse tells where.
type DataFrameInfoResponse struct {
	Path      string `json:"df_path"`
	UploadURL string `json:"signed_url_for_df_upload"` // of this server, as the caller named it; not signed
}

// StagedFrame is a data frame that the server has. What it holds is not judged yet.
type StagedFrame struct {
	Path   string `json:"df_path"`
	Format string `json:"format"`
	Bytes  int64  `json:"bytes"`
}

// IngestRequest has a job write a data frame into a feature table. Sent again for the
// same path, it starts no second one, unless the first failed or was cancelled.
type IngestRequest struct {
	Workspace   string `json:"workspace"`
	FeatureView string `json:"feature_view"`
	Path        string `json:"df_path"`
	// ManagedRetries set to false ends the job with the first attempt that fails by
	// itself; null is true. What ends with its worker is tried again all the same.
	ManagedRetries *bool `json:"use_tecton_managed_retries,omitempty"`
}

// IngestResponse has the job as it stands.
type IngestResponse struct {
	Job Job `json:"job"`
}
