// Package repository reads a feature repository: a directory of YAML documents
// and the .sql files beside them.
//
// Each document is one object and names its kind. Field names are the JSON
// names of the structs in pkg/feature, which are Tecton's parameter names in
// snake_case. Reading is strict: an unknown field, a value of the wrong type or
// a definition that does not hold together is an error that names file, line,
// object and field, and what would be accepted. Everything wrong with the form is
// reported at once, and when the form is right, everything wrong with the
// meaning. Reading and parsing are apart (Read, Parse), because the command line
// reads the files and the worker, which has the SQL engine, judges them.
//
// Parse takes what anybody may send to the worker: files, values of a document and
// the problems that are reported are bounded, and an alias counts as often as it
// is used.
package repository
