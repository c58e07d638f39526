// Package keyset holds sets of join keys: those that are to be erased, in order, so
// that sorted files are walked beside them, and their hashes, which tell a key that
// comes back without naming any.
//
// A set is staged as one object with a checksum, and is decoded whole or not at all
// (ErrDamaged). Both forms are bounded by MaxKeys. A Hashed set holds the first 16
// bytes of the SHA-256 of each encoded key: two keys of a table never share them by
// chance, and a person's key is not to be read from it. Who guesses a key can test the
// guess; that is what a fence is for.
package keyset
