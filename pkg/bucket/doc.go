// Package bucket is the contract of the object store that holds everything
// Tilery must not lose: definitions, offline data, coverage, job records.
//
// It guarantees that an object is seen whole or not at all, that what a write
// reported as done survives a power cut, and that of any number of racing
// PutIfAbsent calls for one key exactly one succeeds. Commits of the Delta log,
// of the registry and of the ledger rest on the last promise and all go through
// Claim. Each driver lives in a folder below, and buckettest holds every
// sentence of this contract against it.
//
// How it fails: ErrNotFound, ErrExists, ErrInvalidKey and ErrTooLarge are
// answers, and final. Any other error of a write means that the outcome is
// unknown: the store may have done it and the answer was lost. A Put or Delete is
// then simply repeated; a put-if-absent is not so simple, since its second try
// can meet the object of its first. Claim resolves that by reading the object, and
// says ErrUnknown, never "lost", where it cannot.
//
// Keys are restricted to what every store and every file system keeps as it is,
// without escaping (ValidateKey), so a bucket can be copied with ordinary tools.
// No key may continue another as a path does ("a" and "a/b"): a directory cannot
// hold such a pair, so a driver may refuse it with ErrInvalidKey, even after the
// older of the two was deleted.
//
// The contract is our own and not that of gocloud.dev/blob, because what matters
// here is what that leaves to its drivers: atomic put-if-absent, durability and
// exact order of listings. A driver for a cloud store can stand on gocloud's; see
// package file for why the one for directories does not.
package bucket
