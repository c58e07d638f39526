// Package window is the arithmetic of time: instants in microseconds, half-open
// intervals, disjoint sets of intervals, and the alignment of both to a step.
//
// All times are UTC microseconds since the Unix epoch and all steps are aligned
// to that epoch, so two processes never disagree about where a window begins.
// Every interval is half-open, [Start, End): neighbours touch without sharing an
// instant, which is why neither a gap nor a double count can hide between them.
//
// The package imports the standard library only, does no I/O and never panics
// on values that a definition or a request can hold: steps are validated where
// definitions enter the system (pkg/feature), and a step of zero or less is a
// programming error that panics.
package window
