// Package online is the contract of the online store: versioned cells, read
// strongly and written conditionally.
//
// One primitive serves batch, streams and deletions: the conditional write of
// one cell. Batch cells carry the version of the Delta log that they were
// computed from and are written iff what is stored is not newer, so any number
// of appliers, in any order, with any retries, leave the newest; a zombie can
// only lose. Stream cells, status and progress carry a random version and are
// compared and set. Cells whose rows vanished become tombstones, so that nobody
// older brings them back; what is to leave no trace is removed once there is nobody
// older. There is no transaction over cells and none is needed:
// coverage is a cell of its own (Status) that is written after the last cell it
// speaks of, and readers read it first.
//
// The online store holds nothing that the bucket cannot give back. It fails by
// error, never by a stale or partial answer: a cell that cannot be decoded is
// ErrDamaged.
//
// Drivers (online/pebble, …) store the bytes that this package encodes, and
// pass onlinetest.
package online
