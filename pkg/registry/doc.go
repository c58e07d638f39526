// Package registry keeps what a workspace defines: one immutable document per
// generation in the bucket, and nothing else that would have to agree with it.
//
// A generation is written by put-if-absent under the next number, so of two
// racing applies one wins and the other gets ErrConflict, and a lost answer is
// resolved by the document's own id. Whoever needs the desired state reads the
// newest generation; a request or a job uses one generation from start to end.
//
// A generation also says which stored data of each view requests read. A change
// that makes the stored data of no use names a second store, which is filled while
// the old one serves; the switch is the next generation, so that of a switch and
// an apply, or of two switches, one wins, and no reader sees anything between.
// Nothing but its owner can fill a feature table, so a new store of one serves at
// once, empty. For the same reason the old ones, the last 16 of the same join keys, are
// kept for as long as the table is defined; those of views go a while after their last use.
//
// Beside its generations a workspace may have one more document, put once, that
// says whether it is live. Development workspaces are planned, applied and
// described like live ones; whoever materializes asks Workspace first.
//
// Planner judges definitions: their form, their references and, with the SQL
// engine, that each transformation returns the columns that its view needs. In a
// live workspace it refuses to destroy what prevent_destroy protects. It writes
// nothing.
package registry
