// Package workflows holds the deterministic orchestration, one workflow a file.
//
// A workflow owns the order of steps and what came of them, nothing else: every
// effect is an activity's, and rows never travel through history. Inputs are one
// JSON object, so that the temporal CLI and the UI can start each workflow by
// hand, and results are one JSON object.
//
// Bounds: history is cut by continue-as-new (WindowsPerRun), parallelism and
// group size have defaults and limits (MaterializeInput), and the names on the
// wire stand in names.go. Workflows import only what an architecture test
// allows, so that nothing non-deterministic is at hand.
package workflows
