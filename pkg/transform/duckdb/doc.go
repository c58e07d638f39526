// Package duckdb runs transformations in DuckDB, inside this process.
//
// Each call opens an in-memory instance of its own: limits, settings and views
// of one run cannot reach another, and closing it frees everything, spilled files
// included. That costs about ten milliseconds a call.
//
// A view's SQL is not trusted with the machine. Two walls stand before it:
//   - The statement is parsed by DuckDB and its syntax tree is checked: one
//     SELECT, declared tables and a few harmless table functions only, no
//     parameters, no volatile functions, no sampling, no LIMIT without an order. Table
//     functions are an allow-list because DuckDB's can read files, change the
//     instance and follow raw pointers.
//   - Before it is bound, access to files is cut to the run's own Parquet files
//     and the configuration is locked.
//
// Each source becomes a view over read_parquet. Files are grouped by the types
// that they hold for the declared columns, since DuckDB would force all files into the
// types of the first: a mixture of layouts reads right, and a file that cannot
// be converted is named before any row is read.
//
// Results stream: DuckDB's vectors of 2048 rows are copied into Arrow buffers
// in plain Go, about 32k rows a record, without database/sql and without a second
// Arrow library. A run is ended by interrupting the connection, and the interrupt is repeated
// until DuckDB returns, because it forgets one that arrives between two steps.
//
// DuckDB tells a damaged page inside a file apart from a wrong statement by its
// text only, so that is an ErrSQL too; a file that is missing or cut off is not.
package duckdb
