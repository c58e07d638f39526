package api

import (
	"time"

	"github.com/tilery/tilery/pkg/feature"
	"github.com/tilery/tilery/pkg/window"
)

// DatasetsPath is where the saved results of historical features are. Below it,
// with the parameter workspace in each query:
//
//	POST   /api/v1/datasets              has a job make one: body and parameters as at
//	                                     HistoricalPath; a StartDatasetResponse
//	GET    /api/v1/datasets              a page of them, a ListDatasetsResponse; prefix, after, limit
//	GET    /api/v1/datasets/NAME         one, a Dataset
//	GET    /api/v1/datasets/NAME/data    its rows, a file in the format that Accept or format names
//	POST   /api/v1/datasets/NAME/remake  makes the rows again, a RemakeResponse
//	DELETE /api/v1/datasets/NAME         deletes it, and answers with what it was
const DatasetsPath = "/api/v1/datasets"

// Paths below DatasetsPath and NAME.
const (
	DatasetDataPath   = "/data"
	DatasetRemakePath = "/remake"
)

// Parameters of the query at DatasetsPath.
const (
	PrefixParameter = "prefix" // of names
	AfterParameter  = "after"  // next of the page before
	LimitParameter  = "limit"  // 100; at most 1000
)

// Dataset is a saved result of historical features.
type Dataset struct {
	Workspace string    `json:"workspace"`
	Name      string    `json:"name"`
	CreatedAt time.Time `json:"created_at"`
	Rows      int64     `json:"rows"`
	Bytes     int64     `json:"bytes"`  // of its files
	Digest    string    `json:"digest"` // of its rows, in whatever order
	// Table is the key prefix of its Delta table in the bucket.
	Table  string         `json:"table"`
	Schema feature.Schema `json:"schema"`

	View         string        `json:"view,omitempty"` // or Service
	Service      string        `json:"service,omitempty"`
	TimestampKey string        `json:"timestamp_key,omitempty"`
	StartTime    *window.Time  `json:"start_time,omitempty"`
	EndTime      *window.Time  `json:"end_time,omitempty"`
	Entities     bool          `json:"entities,omitempty"` // Spine is entities without times
	FromSource   bool          `json:"from_source,omitempty"`
	Spine        *DatasetSpine `json:"spine,omitempty"`
	Generation   int64         `json:"generation"`       // of the definitions
	Stores       []DatasetPin  `json:"stores,omitempty"` // that were read; none with FromSource
	Uncovered    []Uncovered   `json:"uncovered,omitempty"`
	Job          string        `json:"job,omitempty"`
}

// DatasetSpine is the copy of the spine that a dataset was made of.
type DatasetSpine struct {
	Key    string         `json:"key"` // in the bucket
	Format string         `json:"format"`
	Bytes  int64          `json:"bytes"`
	SHA256 string         `json:"sha256"`
	Schema feature.Schema `json:"schema"`
	Time   string         `json:"time,omitempty"` // the column of the times; entities have none
}

// DatasetPin is the version of a store that a dataset was made of.
type DatasetPin struct {
	View        string `json:"view"`
	Fingerprint string `json:"fingerprint"`
	Version     int64  `json:"version"`
}

// ListDatasetsResponse is a page of datasets.
type ListDatasetsResponse struct {
	Datasets []Dataset `json:"datasets"`
	Next     string    `json:"next,omitempty"` // absent: there are no more
}

// StartDatasetResponse names a dataset that a job makes. It is there once the job has
// succeeded; what fails is told by the job.
type StartDatasetResponse struct {
	Dataset string `json:"dataset"`
	Job     string `json:"job"` // its workflow on Temporal
}

// RemakeResponse says that the rows that were made again are the saved ones. Any
// difference is an error.
type RemakeResponse struct {
	Rows   int64  `json:"rows"`
	Digest string `json:"digest"`
}
