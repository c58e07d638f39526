//go:build !race

package aggregate_test

// rapidChecks is how often a property is tried, unless the command line says so.
const rapidChecks = "100"
