// Package offline is the contract of the offline store: tables of sorted rows,
// written window by window or frame by frame, committed atomically, with what is
// covered in the commit.
//
// A window is first built (its rows are sorted, durable and invisible), then
// committed. A commit makes all its windows visible at once and records in the
// same atomic step that they are covered, empty ones included: coverage never
// leads the data and never lags behind it. Which build of a window wins is
// decided by ReadAt, when its sources were read, not by who commits last, so a
// slow build over old sources cannot undo a newer one.
//
// A table with a sequence has no windows: builds are appended under a name, each of
// which is added once, and of rows with equal key and time the one of the greatest
// sequence counts, in whatever order they were committed.
//
// Erase takes all rows of a set of keys out of what is live in one commit, and raises
// the table's fence. A build carries the fence that it began under, before its sources
// were read, so a later commit of it leaves out the keys that were erased since: what
// was read before an erasure cannot bring its keys back.
//
// Losing a race is not an error: Commit reports per window whether it was
// committed, already covered (Done) or overtaken (Superseded). A commit whose
// answer was lost is looked up, never repeated blindly.
package offline
