// Package retrievetest draws views, events and spines for tests of point-in-time
// joins, materializes the events with the engine into a Delta table, and joins.
//
// What a join must give is told by pkg/retrieve/oracle from the events of the windows
// that were committed last, so that a test compares the whole way that data takes,
// from the result of the SQL on, with a few dozen lines that know none of it. SQL itself
// is left out: a transform.Engine hands out events from memory.
//
// Everything that is drawn shrinks. An event or a row of a spine is made from one
// number, so that one is dropped without changing the others.
package retrievetest
