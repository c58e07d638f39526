// Package workflows holds the deterministic orchestration, one workflow a file.
//
// A workflow owns the order of steps and what came of them, nothing else: every
// effect is an activity's, and rows never travel through history. Inputs are one
// JSON object, so that the temporal CLI and the UI can start each workflow by
// hand, and results are one JSON object.
//
// Materialize and MaterializeIncremental fail in one of three ways, told apart by
// the error's type: its input or its plan is refused before anything is written
// (the activities' Error types); some windows failed, and all others are committed
// (ErrorWindowsFailed); all is committed, and the online store does not follow
// (ErrorOnlineBehind). Every failed or cancelled one that had begun carries its
// MaterializeResult in the error's details. Starting any job again is always safe.
// Maintain is a job too, by steps of which none needs another: those that failed are told
// (ErrorMaintenanceFailed), the others are taken.
// RetrieveFeatures makes one dataset whole or not at all; only Temporal lists it.
// Ingest writes one frame into a feature table: into both stores, or, when it fails or is
// cancelled before its commit, into none, and the frame stays staged. An online store that
// does not follow is told apart (ErrorOnlineBehind).
// DeleteKeys can be cancelled until it changes the first store; then it goes on to its end.
// Reconcile is no job: it runs for as long as its workspace, and a pass that fails
// is made up for by the next.
//
// A job's life: it plans against the newest generation, waits for its turn where
// too many jobs of the view came first, builds and commits chunks of windows that
// follow from the plan by arithmetic, and ends. The ledger gets each of its states;
// what a person cancelled is held back from later incremental jobs. A job on a store
// that is filling ends with the attempt to have it serve. A job is one
// chain of runs, and keeps its id, its failures and what people set across them.
//
// Bounds: history is cut by continue-as-new (callsPerRun), parallelism and
// group size have defaults and limits (MaterializeInput), and the names on the
// wire stand in names.go. Workflows import only what an architecture test
// allows, so that nothing non-deterministic is at hand.
//
// Changing a workflow: histories of released code stand in testdata/replay and
// are replayed by TestReplay. A change that one of them refuses needs
// workflow.GetVersion, and a release adds histories (testdata/replay/record.sh).
package workflows
