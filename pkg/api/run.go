package api

import "github.com/tilery/tilery/pkg/window"

// RunPath is the endpoint of runs: what a view makes of a range of time, of which
// nothing is stored. The body is a RunRequest, as JSON, or multipart/form-data with
// the RunRequest in the field RunField and a file for each mock, whose field has the
// name of the source. The answer is a file as of HistoricalPath, whose format Accept
// or the parameter format names.
const RunPath = "/api/v1/run"

// RunField is the field of a RunRequest in multipart/form-data.
const RunField = "request"

// WarningsHeader tells, as a JSON list of texts, what the range of a run does to its
// result; absent if there is nothing to tell.
const WarningsHeader = "Tilery-Warnings"

// RunRequest asks for a run of a view.
type RunRequest struct {
	Workspace string `json:"workspace"`
	View      string `json:"view"`
	// StartTime and EndTime are the range, end excluded. With one of them the other is a
	// batch_schedule away; with none it is the newest window whose data is complete.
	StartTime *window.Time `json:"start_time,omitempty"`
	EndTime   *window.Time `json:"end_time,omitempty"`
	// AggregationLevel is disabled, partial or full, the default. Only views with
	// aggregations have it.
	AggregationLevel string `json:"aggregation_level,omitempty"`
}
