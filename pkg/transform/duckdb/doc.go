// Package duckdb runs transformations in DuckDB, inside this process.
//
// Each call opens an in-memory instance of its own: limits, settings and views
// of one run cannot reach another, and closing it frees everything, spilled files
// included. That costs about ten milliseconds a call.
//
// A view's SQL is not trusted with the machine. Two walls stand before it:
//   - The statement is parsed by DuckDB and its syntax tree is checked: one
//     SELECT, declared tables and a few harmless table functions only, no parameters
//     but the bounds, no volatile functions, no sampling, no LIMIT without an order. Table
//     functions are an allow-list because DuckDB's can read files, change the
//     instance and follow raw pointers.
//   - Before it is bound, access to files is cut to the run's own files and the
//     configuration is locked.
//
// The same tree tells whether a statement is row-wise: what the check does not know
// to be is not. That includes a Timestamp in the result that is not the source's own,
// since a run over one window sees its source's rows of that window only.
//
// Each source becomes a view over its files. They are grouped by layout, the types
// that they hold for the declared columns, since DuckDB would force all files into the
// types of the first: a mixture of layouts reads right, and a file that cannot
// be converted is named before any row is read. CSV and JSON values are read as
// what they are and converted by expressions of ours, because DuckDB's readers are
// generous: they round 1.5 to an integer, ignore a timestamp's offset from UTC and
// do not say in which file a value was. A file that changes during a run is an
// error, which is found by its size and time of change.
//
// Results stream: DuckDB's vectors of 2048 rows are copied into Arrow buffers
// in plain Go, about 32k rows a record, without database/sql and without a second
// Arrow library. A run is ended by interrupting the connection, and the interrupt is repeated
// until DuckDB returns, because it forgets one that arrives between two steps.
//
// DuckDB tells a damaged page inside a file apart from a wrong statement by its
// text only, so that is an ErrSQL too; a Parquet file that is missing or cut off is
// not. Of text nobody can tell whether it was cut off or written wrongly: ErrSQL.
package duckdb
