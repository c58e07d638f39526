// Package offline is the contract of the offline store: tables of sorted rows,
// written window by window, committed atomically, with coverage in the commit.
//
// A window is first built (its rows are sorted, durable and invisible), then
// committed. A commit makes all its windows visible at once and records in the
// same atomic step that they are covered, empty ones included: coverage never
// leads the data and never lags behind it. Which build of a window wins is
// decided by ReadAt, when its sources were read, not by who commits last, so a
// slow build over old sources cannot undo a newer one.
//
// Losing a race is not an error: Commit reports per window whether it was
// committed, already covered (Done) or overtaken (Superseded). A commit whose
// answer was lost is looked up, never repeated blindly.
package offline
