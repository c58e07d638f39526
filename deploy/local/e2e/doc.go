// Package e2e tests the real program from outside: tests start the one-process
// stack as a process of its own, work it with the command line and HTTP, kill it,
// and judge what it leaves behind.
//
// The judge shares no code with the product: features are computed by
// hand-written SQL (testdata/*.sql) over the raw flights, run by the DuckDB of a
// Python environment that `make tools` installs, and tables are read by DuckDB's
// delta extension and by delta-rs.
package e2e
