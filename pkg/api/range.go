package api

// RangePath is the endpoint of features in a range of time, of one view: how they were
// from start_time to end_time, which are required. By POST the body is a file of join keys,
// in the format that Content-Type or spine_format names, or empty, for all entities; so it
// is by GET. The answer is a file as at HistoricalPath: the join keys, the features,
// _valid_from and _valid_to, a row for each change.
const RangePath = "/api/v1/features-in-range"

// MaxLookbackParameter is how long before start_time to look for data, for instance 30d.
// What came before is left out: rows, and of views with aggregations entities that have
// nothing later. Default: nothing is.
const MaxLookbackParameter = "max_lookback"
