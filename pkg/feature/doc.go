// Package feature holds the definitions that a feature repository is made of:
// entities, sources, feature views, feature tables and feature services, with Tecton's names and
// defaults, as plain Go structs. pkg/feature/repository reads the same from YAML.
//
// Definitions are values: validated as a whole (Repository.Validate), resolved
// to a View or Service that has everything an engine needs, and identified by a
// fingerprint of what determines their stored bytes. Data lives under view name
// and fingerprint, so a change of meaning can never mix old values with new.
//
// A feature table resolves to a View as well: one whose rows are ingested instead of
// computed. It declares its columns, and has neither sources nor windows.
//
// What follows from a view's SQL, the columns of its result, is not known until an
// engine was asked. Until then a view without aggregations has no features, and
// services that name some are taken at their word; Validate judges them once the
// Schema is filled in.
//
// The package imports the standard library and pkg/window only, and does no I/O.
package feature
