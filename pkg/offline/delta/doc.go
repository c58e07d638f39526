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
// Reading. A file is read a row group at a time, and of that a page of each column that
// is asked for. Values that are not lists are decoded here: Arrow's readers take three
// times as long for them, which is most of the time of a join. A scan for keys goes by
// the statistics of the first key in the footer.
//
// Compaction. Compact merges small files of a partition, which are sorted, into one
// with the same rows in the same order, in one version that removes and adds with
// dataChange=false and leaves transactions alone. In the partition that still grows
// it merges files of similar size, so that a row is written again about three times
// however many windows come; and neighbours in time, since replacing a window costs a
// copy of each file that spans it. In a table of windows, rows of equal key and time lie
// in one window, so in one file; a merged file has the greatest sequence number of its parts.
//
// Rows without windows. In a table with a sequence builds are appended: the transaction
// "i/<name>" says that what has the name was added, and is forgotten after 90 days. Of
// rows with equal key and time the one with the greatest sequence counts. Readers pick
// it; a compaction, which may take any files of a partition, keeps only that.
//
// Erasure. Erase takes the rows of keys out of all files that are live, in one version:
// it removes the files that hold one and adds the rest of their rows. A row group that
// holds none is copied as it is. A file made since the plan is looked at by the next
// plan, since the number is lost then. What is committed later was perhaps read before:
// the version raises the table's fence (transactions "fence" and
// "fence/<n>/<version>/<object>/<commit id>"), and names the hashes of the keys, below
// _fences/. The commit of a build that began at a lower fence leaves those keys out. A
// fence is forgotten after the retention; builds that began before it are ErrStale then,
// and an erasure that is repeated as late erases again.
//
// The keys are gone from the table's folder when the versions before the erasure are
// cleaned and what was removed is vacuumed: statistics name keys in versions that add
// files and in checkpoints, not in removals.
//
// Vacuum. A file is deleted when it is not live, and was removed, or, if no version
// has ever named it, uploaded before the retention. Vacuum finds what is that old,
// commits a version that does nothing, and deletes what is still not named then: a
// writer who comes after that version has looked at the ages of its files since, and
// one who came before is seen. So a writer may stand still at any step, for any time.
// For the same reason a removal counts from when the version after it was planned,
// or, while there is none, from when the store says that its version came.
// A snapshot can be read for as long as the retention; who reads a file that is gone
// by then gets ErrHistoryGone.
//
// Reading the log. A table's state is kept in memory and brought up to date by
// asking for the version after its head; once a minute, and before each commit, the
// log is listed, which finds gaps. Only the loss of the last version does not show
// in a log; what followed it tells, the status of an online store for one. Decoding
// is strict and bounded: a torn line, a missing version, a file that is added twice
// or removed without being live, or a window whose ReadAt goes back is ErrCorrupt.
// Data files of other writers are refused, since nothing says that their rows are
// sorted.
//
// Checkpoints. A checkpoint is the state at a version as one Parquet file, in Delta's
// classic form, so that any reader can begin with it. A table is opened from the
// newest that can be read: one that is torn, or that another program wrote, is passed
// over, and matters only when the versions that it replaces are gone. The file named
// _last_checkpoint saves listing the log from its start and is believed in nothing.
// Changes of the newest 256 versions are remembered; older ones are read from the log
// when they are asked for, as long as a checkpoint, or the first version, and all
// versions after it are there.
//
// Cleaning. CleanLog deletes what lies before a checkpoint, which makes holes under
// numbers that a version once had. A writer who planned such a number, and then stood
// still until it was free again, would put his version where nobody looks. So a put
// that ends over ten minutes after its snapshot counts only once it is found from the
// newest checkpoint (it is planned again otherwise), a listing that old is not
// followed past a checkpoint but read anew from it, and CleanLog takes nothing that
// is younger than twice that time. Other programs must not clean the log.
//
// The log, not a server's clock, orders commits; clocks only judge ages.
package delta
