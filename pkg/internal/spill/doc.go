// Package spill keeps what does not fit into memory on a local disk, as sorted runs
// of entries, and hands it out merged.
//
// An entry is a key, by whose bytes it is sorted, and a value. Entries of equal keys
// all come out, next to each other: what they mean together only the caller knows.
// Memory is bounded whatever is spilled: one entry and less than 256 KiB for each of at most
// 64 runs that are read at a time. When there are more runs, 64 of them become one
// first, level by level, so that an entry is rewritten once for each power of 64.
//
// The files have no name: they are unlinked as soon as they are open. So they are
// gone with the process, however it ends, and processes that share a directory
// cannot meet in it. A run that is read to its end gives back its room at once.
//
// How it fails: ErrFull past the bound of bytes on disk; any error of the file
// system, as it comes; what a disk returns other than it took is an error, by a checksum of
// 64 KiB, before an entry is made of it. After an error nothing but Close is of use.
package spill
