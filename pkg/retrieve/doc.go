// Package retrieve computes features at times of the past, from the offline store.
//
// A row of a spine names an entity and an instant t. Its features are those that
// were known at t: of a view that stores rows the latest whose effective time is at
// most t, unless it has expired by then; of a feature table likewise, and of rows with
// equal keys and time the one that was ingested last; of a view with aggregations the
// windows that end at the last edge before t less the data delay, merged from whole
// tiles. What online serving says at t is the same, for both use pkg/aggregate on the
// same tiles. A row of a feature table counts from its timestamp on, however late
// it was ingested.
//
// Only the spine is sorted. Its keys are taken in order, some at a time, while a
// cursor on each file of the table moves along, so that a file is read once for each
// thread, and row groups without a key of the spine are not read at all. Memory is
// bounded by the options, not by the table or the spine: a spine that is larger
// is sorted on disk. The result comes in the order of the spine if that fits into
// memory, and else in the order of the first view's join keys and the time.
//
// A row of the result is null where nothing was known, and so it is where nothing
// was materialized; the report tells which time was needed and is not covered.
//
// Without a spine, Events gives the features of a view at each of its events, and InRange
// for how long they hold. Both sort what they read of the table, of aggregations keys
// and times alone, on disk if need be, and join that as a spine.
//
// FromSource makes tables from raw data for one join, by what a job does, so that a
// view that is not materialized joins as any other. A Run stores nothing: it shows
// what a view makes of a range of its sources, or of mocks, stage by stage.
package retrieve
