// Package record turns rows into bytes and back: join keys into keys whose byte
// order is the order of rows in every file and store, and schemas into Arrow's.
//
// An encoded key begins with a version byte, orders as its values do (null
// first, Int64 by number, String by bytes), and no encoded key is a prefix of
// another. Decoding refuses what encoding does not make, so a damaged key is an
// error and never another entity.
package record
