// Package temporal runs a whole Temporal server inside the calling process:
// the four services, their store and the web UI, with nothing to install.
//
// # What it guarantees
//
// One directory holds all of its state, in one SQLite file. What the server has
// acknowledged survives a kill of the process and a loss of power: the file is
// in WAL mode and every commit is synced. [Start] returns only when the
// namespace is served, every asked-for search attribute can be used, and the UI
// answers. All listeners, those between the services too, are on 127.0.0.1:
// there is no authentication.
//
// A process killed at any moment of its first start leaves a directory that the
// next start accepts: the schema is created in one transaction, so it is there
// whole or not at all. The namespace and the search attributes are added when
// they are missing, at each start.
//
// # How it fails
//
// A directory belongs to one server at a time; a second one gets [ErrInUse].
// The lock goes with the process, so a crash leaves none behind. A port that is
// taken is an error of Start. Should another program take a port in the few
// milliseconds between that check and the server's own listening, the process
// exits with a message: the server's libraries offer no gentler way.
//
// Search attributes are only ever added. One that exists with another type is an
// error that names both; the store has a fixed number of columns per type, and
// running out of them is an error too.
//
// # Why it is so
//
// The database is disposable, and its name carries the server's minor version:
// SQLite stores have no schema migration, so a newer server starts with an empty
// file rather than misread an old one. Nothing but work in flight is lost that
// way, because schedules and streams are created again from the bucket.
//
// SQLite has one writer, and a second connection only adds lock waits: fan-out
// was several times slower with four. Four history shards were faster than one;
// their number is fixed when the file is created.
//
// A long poll ends after one second instead of twenty. On a file store the
// server now and then misses the wake-up of a poll that waits for a result, and
// the caller then waits for the poll to expire.
//
// The server's libraries keep the SQLite connection open until the process ends,
// also after [Server.Stop]. So a directory may be started again in the same
// process, but must not be deleted and re-created under the same path there.
package temporal
