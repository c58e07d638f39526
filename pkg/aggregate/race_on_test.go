//go:build race

package aggregate_test

// rapidChecks is how often a property is tried, unless the command line says so. The
// race detector takes ten times as long, and there is nothing concurrent here.
const rapidChecks = "25"
