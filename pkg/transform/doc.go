// Package transform is the contract of what runs a view's SQL: declared tables
// in, Arrow records of declared columns out.
//
// What an Engine guarantees, whatever the SQL says:
//   - the SQL sees its declared tables and nothing else, each cut to its
//     interval and its declared columns, cast to their declared types;
//   - rows outside the query's interval, and rows without a timestamp, are
//     dropped: a job can never write outside the window that it is covering;
//   - memory is bounded by Limits and by the size of one record, not by the data;
//   - the SQL is one SELECT that reads the bounds of its interval, but no clock, no
//     randomness and no setting of the machine, so that a window that is run again
//     gives the same rows. The last holds as far as a statement shows it: aggregates
//     that depend on the order of their input (first, list, string_agg without ORDER
//     BY, a sum of doubles) are the author's to avoid.
//
// A result's column is described by the type that holds all its values. What SQL
// counts as 32 bits is Int32 or Float32 only if one of the sources has a column of
// that type, or an array of it: to SQL, a literal is of 32 bits, and over sources
// without such columns a view's schema, and with it the identity of what it stores,
// says Int64 and Float64. In arrays, which no literal becomes unasked, widths are
// SQL's own. Integers of 8 and 16 bits are Int64 in any case.
//
// Rows come in no particular order: an ORDER BY decides what a LIMIT keeps, not
// how records are delivered.
//
// Errors tell the caller what to do. ErrSQL: the statement, the definition or
// the values that it meets are wrong and a retry cannot help. ErrOutOfMemory: the
// limits are too small for this window. Any other error, such as a file that
// cannot be read, may pass when it is tried again.
//
// Engines are drivers below this package; transformtest is their common suite.
package transform
