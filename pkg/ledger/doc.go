// Package ledger keeps the records of jobs, longer than Temporal keeps their
// histories: what materialization_status and the Jobs API show.
//
// A job's history is a list of states, numbered by its workflow 1, 2, 3, and of
// ended attempts of its activities. All are objects in the bucket, put once and
// never changed:
//
//	jobs/<workspace>/<view>/<created>-<job>.<workflow>.<run>/
//	    <number>.json                                             the claim of a number
//	    <number>-<STATE>-<TYPE>-<start>-<end>-<attempt>           a state
//	    <number>a<attempt>-<STATE>-<TYPE>-<start>-<end>-<attempt> an attempt under that state
//
// Created is 2^63-1 less the microseconds since 1970, so a listing begins with
// the newest job. The names tell all that the status table shows, with the link
// to the job's run, so one list fills it and nothing is read. The objects hold
// the same and the details, as JSON.
//
// What it guarantees: each number has one record, that follows legally on the one
// before (State), however many writers race. The name of a state cannot decide
// that race, since the rivals' names differ; so a writer first claims the number,
// with the record's bytes, and only then writes the name. One that dies between
// the two leaves a claim that no listing shows; its own repetition writes the
// name, or else the next writer does before its own turn. Appending the same
// record again is a success, so callers take times and texts from where they are
// the same in each repetition, and the ledger adds none of its own. An attempt
// has one writer and needs no claim.
//
// How it fails: ErrInvalid and ErrTransition have written nothing. ErrConflict
// means that another record has the number. After any other error the record may
// be there, or appear: append it again. A key or an object that this package did
// not write is ErrCorrupt, which names it, since to pass over it could hide a job.
//
// A listing is no snapshot: it may miss what is written meanwhile, never what was
// there before.
//
// Holds are intervals that a person cancelled: incremental jobs leave them alone
// until they are lifted. They are the only thing here that decides anything, but for one:
// maintenance takes the word of the ledger that a deletion was cancelled.
package ledger
