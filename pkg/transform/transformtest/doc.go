// Package transformtest is the conformance suite of transform.Engine. A driver's
// test calls Run; its own tests cover only what is particular to it.
//
// Statements are plain SQL that any engine's dialect knows. Inputs are Parquet
// files that Arrow writes, so that a driver is not tested against itself.
package transformtest
