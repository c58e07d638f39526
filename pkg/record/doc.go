// Package record turns rows into bytes and back: join keys into keys whose byte
// order is the order of rows in every file and store, features into rows, and
// schemas into Arrow's.
//
// An encoded key or row begins with a version byte and orders as its values do
// (null first, numbers by size with NaN last, String by bytes, arrays by their
// elements and then by length); no encoding is a prefix of another of the same
// fields. So rows of one key and time have one order everywhere, and the bytes of
// equal rows are equal: a NaN has one form. Decoding refuses what encoding does not
// make, so a damaged key is an error and never another entity, a damaged row never
// other features by accident of length.
package record
