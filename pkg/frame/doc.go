// Package frame reads and writes data frames as files: what people hand to Tilery
// and what they get back. The formats are Parquet, CSV with a header line (RFC 4180),
// JSON with an object a line, and Arrow IPC.
//
// Every file becomes records of feature types, whatever tool wrote it. Integers of up
// to 32 bits become Int64 (int32 stays Int32), large and dictionary texts String,
// times of any unit and zone instants in microseconds (a time without a zone is UTC,
// nanoseconds are cut off toward the past, dates are midnight UTC). A column that is
// known beforehand is read as that type, and no value ever changes by it: an integer
// that a Float64 cannot hold, or 1.5 for an Int64, is an error. A type that no
// feature has is an error too, never a column that silently lacks; who asks for the
// known columns alone (OnlyKnown) is told the names of the others.
//
// CSV and JSON have no types. Those of columns that are not known are inferred from
// all values, in a pass before the one that reads them, so they never depend on a
// sample: Int64, Float64, Bool, Timestamp, else String. Inferred numbers are those
// that print back as they stand; so 007 and integers past 64 bits are Strings. In CSV
// an empty field is null, quoted or not, so an empty String does not survive it.
//
// What a file says about itself is not trusted: records, texts, columns, values and
// memory are bounded by Options and the size of the file, and where Arrow's readers
// panic over damaged bytes the caller gets an error. One bound is not kept: a page of
// Parquet in zstd or snappy that unpacks to more than its header says takes what it
// takes before it is refused, since Arrow hands no limit to these codecs.
//
// ErrData is the fault of the file, named by row or line and by column for the one
// who made it; other errors are those of the storage.
package frame
