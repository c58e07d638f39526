// Package source finds the data of batch sources.
//
// A source that has no files is an error (ErrNoFiles), never an empty window: a
// mistyped path must not turn into covered windows without rows. The path that a
// definition names stays below the configured root. Symbolic links there are
// followed wherever they lead: only who runs the worker can place them, to mount
// a disk for instance, while definitions come from anybody who may apply.
package source
