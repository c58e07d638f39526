// Package deltalog reads the transaction log of a Delta Lake table that somebody
// else writes: which files a version consists of.
//
// It reads JSON commits and classic Parquet checkpoints, in one part or several.
// The directory is listed, so that the hint in _last_checkpoint is not needed: it may
// be older than the log, or half written. A checkpoint that lacks parts is being
// written and is passed over.
//
// What is not understood is refused (ErrUnsupported), never skipped: reading on
// would give rows that were deleted, or columns under wrong names. A log with a hole
// or a torn file is ErrDamaged; a version that is not there, or was cleaned up, is
// ErrVersion with the range that is. All data files lie below the table.
package deltalog
