// Package ingest writes data frames into feature tables.
//
// A frame is uploaded to a path that Reserve made, accepted, built and committed; the
// online store then follows the table's log, as it does for views. Each step may be
// repeated, in any process, and after a crash at any point:
//
//	ingest/<workspace>/<table>/frames/<id>/frame-<upload>.<format>
//	ingest/<workspace>/<table>/frames/<id>/ticket.json
//	ingest/<workspace>/<table>/frames/<id>/build-<attempt>.json
//	ingest/<workspace>/<table>/order/<19 digits of 2^63-1 minus the sequence>.json
//
// Accept gives a frame its number among the ingests of the table, once, by
// put-if-absent, before a store has any of it. The number is a column of its rows: of
// rows with equal keys and timestamp the greatest counts, wherever they are and whoever
// commits first. Within a frame the later row counts, so a frame has one row for each
// keys and timestamp. Its commit is named by its id and number, and adds its rows once.
//
// Numbers grow and may have gaps: one is lost whenever two callers race to accept a
// frame. A number is never given twice, though old objects of the order are swept: that
// of the newest stays.
//
// Accept also takes the table's fence. Keys that are erased after it are left out when
// the frame is committed; keys that a fence of package forget holds back are left out
// when it is built.
//
// How it fails: frame.ErrData is the fault of the frame, named by row and column. It is
// told before anything is written, since no row of a frame is written until all of them
// are sorted. ErrNotFound, ErrTooLarge and ErrRefused are final, too; any other error is
// one of the storage, and the step may be tried again.
package ingest
