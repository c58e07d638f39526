// Package feature holds the definitions that a feature repository is made of:
// entities, sources and feature views, with Tecton's names and defaults, as
// plain Go structs. pkg/feature/repository reads the same from YAML.
//
// Definitions are values: validated as a whole (Repository.Validate), resolved
// to a View that has everything an engine needs, and identified by a
// fingerprint of what determines their stored bytes. Data lives under view name
// and fingerprint, so a change of meaning can never mix old values with new.
//
// The package imports the standard library and pkg/window only, and does no I/O.
package feature
