// Package lint is the architecture as tests: who may import whom, and a few
// promises of the repository that no compiler checks. A failure names the
// import chain and the reason for the rule.
//
// The tests read the import graph with `go list`, which the test cache does not
// see: run them with -count=1, as `make lint` does.
package lint
