// Package rowsort sorts the rows of records by join keys and time, in memory, or on
// disk when they do not fit.
//
// The rows that come out are a function of those that went in, and so is how they are
// cut into records: neither memory nor the order of equal records changes a bit. A NaN
// comes out in its canonical form, as record.RowEncoder writes it.
//
// Rows stay in columns. What is sorted is an index of 24 bytes a row: eight bytes of the
// encoded key, from where the keys begin to differ, the time, and the place. It is sorted
// by counting, byte by byte and only those that differ at all: rows that came in the order
// of their times cost nothing for these. Whole keys are looked at only where the eight
// bytes are equal and may not be all of the key, whole rows only where key and time are.
//
// Past the bound of bytes the rows go to disk as a run: records of about 64 KiB, each
// under the part, key and time of its first row. A merge opens a record when its first
// row may be the next one, which is about one record for each run.
//
// How it fails: ErrTooLarge is a row past record.MaxRowBytes, record.ErrKey a key past
// its bound, and a record of other columns is an error of package record; errors of
// spill.Runs, spill.ErrFull among them, come as they are. After an error nothing but
// Reset and Close is of use.
package rowsort
