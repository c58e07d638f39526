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
// when they stand still (alive).
package activities
