// Package offlinetest is the conformance suite of offline stores. Run holds every
// sentence of package offline's contract against a driver.
//
// Audit is independent of the driver: it reads the Delta log and the Parquet
// files in the bucket itself, and checks the invariants B1 (every live file
// exists), B2 (a covered window has the rows of exactly one build, the one that
// won), B3 (no commit id twice) and B4 (the ReadAt of a window never goes back).
// Tests end with it, so that a driver and its reader cannot be wrong together.
//
// Rows are a function of the build that wrote them (RowsFor), which is how any
// reader at any time, concurrent ones included, can tell whether what it sees is
// one build and the whole of it.
package offlinetest
