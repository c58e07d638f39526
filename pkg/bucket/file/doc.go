// Package file is the bucket over a local directory. The object with key a/b is
// the file a/b below it, so ordinary tools can read and copy a bucket.
//
// Any number of processes of one machine may use a directory at once. Every write
// goes to a temporary file in the hidden folder .tmp, which is synced and then
// published in one step: by link(2) for PutIfAbsent, which fails if the name is
// taken, and by rename(2) for Put and Create. Then the folder is synced, as is each
// folder above it that this process has not yet seen durable: another process may
// have made one and died before its sync. The loser of a PutIfAbsent also syncs,
// so what it is told of cannot vanish. Folders are never removed: nothing then
// races with a put into them, and the empty ones cost little.
//
// How it fails: a killed process leaves at most a file in .tmp, which no key can
// name; Open removes those not written to for a day. An error after the publishing
// step (only a failing disk gives one, the folder is opened before) leaves the
// outcome unknown, as the contract allows. The file system must be local,
// tell upper from lower case and have hard links; nothing else may change the
// directory while it is in use. Symbolic links and files whose names are not keys
// are not shown. A call under way is not interrupted by its context.
//
// It uses the os package and not gocloud.dev/blob/fileblob, which breaks the
// contract in v0.47.0 in reads and listings too, not only in its writes
// (IfNotExist is a stat and a rename, and lets several racers win; nothing is synced):
//   - listings put a/b before a-b where folder a has several objects, show the
//     temporary files that a killed writer left, pass over what they cannot read,
//     and walk the whole tree again for every page;
//   - keys that end in ".attrs" are refused, and a file z__0x41__ is listed as zA.
package file
