// Package serve answers the HTTP API: online feature vectors in Tecton's shapes;
// historical features and datasets; plan and apply; ingests of data frames and
// deletions of keys; and what people ask about definitions, workspaces and jobs.
//
// A request uses one generation of the definitions and one status of each
// store. The status is read before the cells: cells outlive the watermark that
// a status names, so an old status gives an older vector, never a torn one. How
// far the windows are covered follows from the status's coverage and the
// definition at hand: a window that was made longer is not served half.
//
// A view whose newest definition has a store that is still being filled is read by
// the definition that serves, which an older generation holds, and services take
// from it what they took then: vectors change with the switch, not before it.
//
// A feature service is read as one vector: the status of each view, then the
// cells of all in one round. A view without aggregations has the latest row of the
// entity, which expires when the leading edge passes its ttl, not by the clock;
// the row may be newer than the status and says itself from when on it counts. A
// view with a wildcard join key is read like any other: all keys are given.
//
// Of a view with aggregations the blocks are read that a window touches, not those
// that lie between, and each tile is merged once for all windows that hold it. The
// value of a series has null for a window without tiles, and is null when all are.
// With a secondary key each feature is a list with a value for each key that has
// tiles in its window, in the order of the keys' bytes, as is the list of the keys;
// without any all are null. More than 1,000 keys in a window are an error, not a
// part of them.
//
// Data frames are streamed to the bucket, as keys are, before a job begins. Each step of
// an ingest may be repeated because its answer was lost: a frame has one job.
//
// A request that finds the definitions a second old sends for newer ones and goes
// on with those; only when they are a minute old it waits. So a bucket that is
// slow, or away for less than that, is not noticed.
//
// Bodies, concurrency and time are bounded; past a bound the answer is an error
// with Tecton's code, never half a vector.
package serve
