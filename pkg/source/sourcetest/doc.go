// Package sourcetest is the conformance suite of source.Batch. A driver's test
// calls Run for each kind of source that it has; its own tests cover only what is
// particular to it.
//
// What the driver finds is read by a real engine, so that what counts is what
// every run counts on: the rows.
package sourcetest
