// Package timelimit ends the wait for calls to a store.
//
// It guarantees that a caller gets an answer or an error when the limit has
// passed, whatever the store does. That takes more than a context: a system call
// on a dead disk heeds none, nor does an engine that waits for its own lock. So
// each call runs in a goroutine of its own, and one that does not end with its
// context is left behind.
//
// How it fails: what is left behind may still be carried out, at any later time,
// and holds its goroutine and its arguments until it ends. Both are bounded: with
// 64 calls left behind, further calls are refused with ErrHanging until one of
// them ends. A store that answers slowly but in time is never refused.
package timelimit
