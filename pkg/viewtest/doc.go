// Package viewtest runs the tests that stand beside views: a few rows of the
// sources in, rows or features out, without a server, a store or a stack.
//
// A test runs what a job runs: the SQL by the same engine, one window at a time,
// over files of the mocks, and the same aggregation states. What it leaves out is
// storing: features are finished from all rows at once, which pkg/aggregate promises
// to equal what tiles give.
//
// Run returns what differs, for people; an error is a test that could not be run.
// A mock or an expectation that does not fit the declared columns is a difference,
// since the test is at fault. Nothing outlives a run but its answer.
package viewtest
