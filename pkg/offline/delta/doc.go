// Package delta is the offline store on Delta Lake: Parquet files and a log of
// JSON versions in a bucket, which any Delta reader can open (protocol 1, 2).
//
// Commits. A version is one object, put with bucket.Claim under the number after
// the snapshot that it was planned from. It is valid only for that snapshot: that
// every removed file is live, that its windows are not covered, or read earlier,
// and that its files will outlive it. So a commit that loses its number reads
// the winners and plans again; it is never just renumbered. Coverage is the
// transaction "w/<start>" of each window, in the same object as its files,
// empty windows included; its version is the ReadAt of the build, in microseconds.
//
// Files. A file holds rows of one time partition, sorted by key and time, and is
// durable before a version names it. The unit of partitions is chosen when a table
// is created; a spec that asks for another later gets the table's own. Replacing
// a window removes the files inside it and copies, into new files of the same
// commit, the other rows of files that straddle it. Such a copy keeps its sequence
// number: its rows were not written later than before. Files that no version names
// are left for a vacuum, which may delete them once they are older than the
// retention; therefore a build is refused (ErrStale) long before that age.
//
// Reading the log. A table's state is kept in memory and brought up to date by
// asking for the version after its head; once a minute, and before each commit, the
// log is listed, which finds gaps. Only the loss of the last version does not show
// in a log; what followed it tells, the status of an online store for one. Decoding
// is strict and bounded: a torn line, a missing version, a file that is added twice
// or removed without being live, or a window whose ReadAt goes back is ErrCorrupt.
// Data files of other writers are refused, since nothing says that their rows are
// sorted. A log whose first versions were cleaned away cannot be read yet:
// checkpoints are not.
//
// The log, not a server's clock, orders commits; clocks only judge ages.
package delta
