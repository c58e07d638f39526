// Package activities adapts the engines under pkg to Temporal: it decodes the
// input, calls the engine, heartbeats and translates errors. It decides nothing.
//
// Every activity is idempotent and safe beside a zombie of itself: builds are
// invisible until a commit names them, commits are conditional and recognise
// their own earlier try, and applying the log twice changes nothing. Inputs and
// results are references and counts, never rows.
//
// Errors that a retry cannot mend carry one of the Error types and are not
// retried; all others are. Long activities heartbeat every second, end promptly
// when they are cancelled or their worker stops, and are given to another worker
// when they stand still (alive). They count their own failures in their
// heartbeats and say themselves when to try again and when to give up (Retry):
// only they know failures from attempts that a worker took with it, and the
// numbers can stand in a worker's configuration.
//
// The ledger's records of jobs and attempts decide nothing. To write them never
// fails a window; what is missing in the ledger is told with the result. What
// workflows that were lost left open there, ReconcileJobs closes.
package activities
