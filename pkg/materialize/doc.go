// Package materialize is the batch engine: it turns one window of raw data into
// sorted tiles or rows, commits them to the offline store, and keeps the online store
// a view of the offline log.
//
// Three steps, each safe to repeat in any order by any number of processes:
//
//   - Build: sources -> SQL -> rows, or partial states by key and tile -> sorted,
//     durable, invisible files. Two builds of the same data hold the same bytes.
//   - Commit: builds become visible together with their coverage, in one atomic
//     commit of the offline store; of two builds of a window the one that read
//     its sources later wins.
//   - Apply: the online store follows the log from the version in its status
//     cell to the head H. Every key that a commit touched is computed anew from
//     snapshot H and written with version H; the status, with coverage and
//     watermark, follows after the last cell. So a crash in the middle leaves
//     cells that are already right, a slow applier cannot undo a faster one,
//     and rows that vanished offline become tombstones online.
//
// A view with aggregations stores tiles, by key and block of time; one without
// stores rows, and online of each key the latest, by time, then the version that
// added it, then content. Commits that only add rows are compared with what is
// stored. After a removal the snapshot is asked, latest files first: a row that
// vanished offline gives way to the one before it, or to a tombstone.
//
// A feature table stores rows that others ingest (pkg/ingest): no job builds it, its
// store follows every commit, and everything is covered, always. Of rows with one time
// that of the last ingest counts, in whatever order they were committed.
//
// An erasure of keys is followed by the keys: their cells become tombstones of its
// version, whose snapshot has none of their rows; what came later is in files that the
// step reads anyway. EraseCells removes them for good. A build takes the table's fence
// before it reads its sources, so that rows that it has read of keys that are erased
// meanwhile do not come back by its commit.
//
// With a secondary key the offline store has a row for each of its values, and the
// cell of an entity has the tiles of all of them: a change of one writes the cell
// anew, and a request reads no more cells than without. An entity whose tiles do not
// fit into a cell fails the step with online.ErrTooLarge.
//
// A build is bounded by its memory, not its windows by it: what does not fit goes to
// unnamed files as sorted runs, and is merged when it is written. It holds as much as
// the builder may, a record or two of the SQL's and of the offline table's, and less than
// 256 KiB for each run. For that a tile has a bound: a state keeps no text of more than
// 64 KiB. Neither files nor values show whether anything was spilled.
//
// A cell holds the tiles of the windows that the online store covers and of no
// others, though they may lie in the same block: nobody would correct those when
// the log goes on, and one day they would be served. And a window that is covered
// online follows the log also when a later commit was marked online=false.
// Otherwise the two stores would differ where both claim coverage.
//
// A store without a status gets one, with a new epoch, before its first cell. So
// a store that is emptied under an applier is filled again, and what an applier
// of the lost status still writes is read by nobody. Cells of a lost epoch stay
// until they are dropped.
//
// A store whose log ends before the version that it follows is filled anew, under
// another epoch, while the old one is read (beginAnew).
//
// A view whose definition has changed in what it stores has two stores: one serves,
// by the definition that it has, and one is filled by the newest. Both are brought
// forward alike, each a Target of its own. Switch has the second serve once it
// covers what the first does, and can be read as far.
//
// The package knows contracts only (transform, offline, online, source) and
// nothing of Temporal.
package materialize
