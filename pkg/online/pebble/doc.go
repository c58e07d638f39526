// Package pebble is the embedded online store: one directory, one process.
//
// Every Write is one atomic batch, synced to disk before it returns. Conditions
// are checked under locks that are held until the batch is durable, so a lost
// condition was lost to a durable cell. Get, Read and Scan do not lock: they may
// see a cell shortly before its Write returns, and a crash of the machine in
// that moment takes the cell back. One Read is one snapshot; a Scan is a
// sequence of short ones, so that a slow reader holds nothing.
//
// Keys are split after the entity, and bloom filters hold that part: an entity
// that is not there costs no read of the disk, one that is there costs one seek
// for each range of its cells. A Write of many keys looks first at what lies between
// them: where there is nothing, as when a store is filled, none is looked up.
//
// What is removed is no longer read; its bytes leave the files as pebble compacts them.
//
// A second process, or a second Open in the same one, gets ErrInUse. Damaged
// files and cells are online.ErrDamaged: the store is then to be rebuilt from
// the bucket. When the log cannot be written, pebble cannot tell what is
// durable, and the process ends by a panic.
package pebble
