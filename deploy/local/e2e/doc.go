// Package e2e tests the real program from outside: tests start the one-process
// stack as a process of its own, work it with the command line and HTTP, kill it,
// and judge what it leaves behind.
//
// The judge shares no code with the product: features are computed by
// hand-written SQL (testdata/*.sql) over the raw flights, run by the DuckDB of a
// Python environment that `make tools` installs, and tables are read by DuckDB's
// delta extension and by delta-rs.
//
// The fault tests run a host inside the test, since they stand between it and
// what it calls. They compare a disturbed run with an undisturbed one, so that
// reading both with the product's own readers is enough. Where a worker is to die at one
// of its calls, the test binary is started again as that worker. Where weeks are to pass, a
// host inside the test lives them.
package e2e
