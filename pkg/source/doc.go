// Package source finds the data of batch sources: Batch is the contract, Local the
// driver for files and Delta tables below a directory.
//
// A source that is not there is an error (ErrNoFiles), never an empty interval: a
// mistyped path must not turn into covered windows without rows. A source that
// is there may have nothing in an interval.
//
// What an interval does not need is left out early, and only on proof. The values
// of partition columns tell which directories to list. The statistics that Parquet
// footers and Delta logs hold tell which files cannot have a row of the interval; a
// file without statistics is kept, and so is one whose footer cannot be read, for
// the engine to say what is wrong with it. The engine cuts the rows in any case.
//
// The path that a definition names stays below the configured root, and the files
// that a Delta log names stay below its table. Symbolic links there are followed
// wherever they lead: only who runs the worker can place them, to mount a disk for
// instance, while definitions come from anybody who may apply.
//
// A driver for something that is no file, such as a warehouse, implements Batch by
// exporting the interval to files of its own. It has to make the export once per
// Version, so that calls are idempotent, and to keep the files until the run is
// over. sourcetest is the suite that every driver passes.
package source
