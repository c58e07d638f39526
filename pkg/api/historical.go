package api

import "github.com/tilery/tilery/pkg/window"

// HistoricalPath is the endpoint of historical features. The body is a spine: a
// file of entities and times, in the format that Content-Type or spine_format
// names. What is asked of it are parameters of the query. The answer is the file of
// the spine's rows with their features, in the format that Accept or format names,
// and Parquet if neither does.
//
// Without a spine, by POST or GET, the answer has a row for each event of a view, from
// start_time to end_time: the join keys, the timestamp, the features, and
// _effective_timestamp, from when on they are known. With body=entities the body is a
// file of join keys alone, whose events these are.
const HistoricalPath = "/api/v1/historical-features"

// Parameters of the query at HistoricalPath. Exactly one of view and service is given.
const (
	WorkspaceParameter    = "workspace"
	ViewParameter         = "view"
	ServiceParameter      = "service"
	TimestampKeyParameter = "timestamp_key" // the spine's column of times; not needed if it has only one
	SpineFormatParameter  = "spine_format"  // parquet, csv, ndjson or arrow
	FormatParameter       = "format"        // the same, of the answer
	FromSourceParameter   = "from_source"   // true: from raw data, whatever is materialized; default false
	BodyParameter         = "body"          // what the body is: spine, the default, or entities
	StartTimeParameter    = "start_time"    // without a spine: of the events; default feature_start_time
	EndTimeParameter      = "end_time"      // the same, exclusive; by default there is none
	SaveParameter         = "save"          // true: the result is kept as a dataset
	SaveAsParameter       = "save_as"       // its name, which implies save; without one it is made up
)

// BodyEntities is the value of BodyParameter for a file of join keys alone.
const BodyEntities = "entities"

// Headers of the answer.
const (
	RowsHeader      = "Tilery-Rows"      // how many the file has
	UncoveredHeader = "Tilery-Uncovered" // a JSON list of Uncovered; absent if all time is covered
	DatasetHeader   = "Tilery-Dataset"   // the name of the dataset that the result was saved as; absent if it was not
)

// MaxUncovered bounds the intervals in UncoveredHeader, of all views together.
const MaxUncovered = 50

// Uncovered is time that features were asked of and that is not materialized.
// Features that need it are null, or made of the rest of their window.
type Uncovered struct {
	View      string            `json:"view"`
	Intervals []window.Interval `json:"intervals"`
	More      int               `json:"more,omitempty"` // intervals after these, which are left out
}
