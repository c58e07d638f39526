// Package source finds the data of batch sources.
//
// A source that has no files is an error (ErrNoFiles), never an empty window: a
// mistyped path must not turn into covered windows without rows. Paths stay
// below the configured root; a definition cannot reach other files.
package source
