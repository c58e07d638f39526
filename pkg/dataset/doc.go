// Package dataset keeps the results of retrievals in the bucket: rows, and how they
// were made.
//
// A dataset of a workspace has a name. Its rows are a table that any Delta reader
// opens, written once; dataset.json beside it says what was asked for, of which spine
// (a copy is kept), generation and table versions, and names the table. It is written
// last and only if there is none, so a dataset is there whole or not at all, and of two
// racing saves one wins while the other is told ErrExists:
//
//	datasets/<workspace>/<name>/dataset.json
//	datasets/<workspace>/<name>/<id>/table/
//	datasets/<workspace>/<name>/<id>/spine.parquet
//
// Each save has an id of its own, so that none touches another's files, and a name can
// be used again at once after Delete, which removes the document first. What a save
// left that failed or was killed is removed after a day, by the next save of that name
// or by maintenance; a save that takes longer than that is refused. A save whose answer
// from the bucket is lost is never cleaned up by itself: its document may be there.
//
// A result that takes long is made elsewhere: Stage keeps the spine, Plan fixes what is
// read and divides the spine by ranges of keys, JoinShare joins a share and keeps its
// files, and Save makes one table of all files. Each may be repeated in any process;
// files of a try that nobody names go with the dataset.
//
// Remake makes the rows again, at the versions of that time, and compares digests. It
// needs what the offline store keeps: removed files until they are vacuumed, versions
// as long as the log, the stores of views until they are removed. Past that it is
// offline.ErrHistoryGone. The saved rows need nothing of it and stay readable.
package dataset
