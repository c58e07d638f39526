// Package forget keeps the fences that hold deleted keys back: until one is lifted, no
// job materializes or ingests a row of its keys whose time is before the fence's.
//
// A fence is a document with the hashes of its keys beside it, so it names no key:
//
//	forget/<workspace>/<view>/<id>.json
//	forget/<workspace>/<view>/<id>.keys
//
// The hashes are put first and removed last. A document without them is an error, never
// a fence that holds nothing back: what is to be forgotten fails closed.
//
// A fence is put before the deletion that it belongs to commits, and read after the
// build of a window or a frame has taken the table's fence: a build either sees it, or
// is older than the deletion, and then the commit leaves the keys out.
//
// A view has at most 1000 fences, of 2,000,000 keys together, since every job of the
// view holds them all in memory.
package forget
