package lint_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

var (
	drivers = []string{"pkg/bucket/file/...", "pkg/online/pebble/...", "pkg/offline/delta/...", "pkg/transform/duckdb/..."}
	arrow   = "github.com/apache/arrow/go/v15/arrow/..."
)

// rules of imports. Tests may import what they like.
func rules() []rule {
	out := []rule{
		{who: []string{"pkg/..."}, except: []string{"pkg/client/..."}, mayNot: []string{"go.temporal.io/..."},
			reason: "the engines know nothing of Temporal, so that they can be tested and used without it"},
		{who: []string{"activities/..."}, mayNot: []string{"workflows/..."},
			reason: "activities do work for any caller; the order of steps is the workflows'"},
		{who: []string{"workflows"}, only: []string{"activities", "pkg/feature", "pkg/window",
			"go.temporal.io/sdk/temporal", "go.temporal.io/sdk/worker", "go.temporal.io/sdk/workflow", "go.temporal.io/sdk/log"},
			reason: "workflows see names, inputs and results; what is not at hand cannot make them differ between a run and its replay"},
		{who: []string{"pkg/feature"}, only: []string{"pkg/window"}, reason: "definitions are a leaf that everything may import"},
		{who: []string{"pkg/window"}, only: []string{}, reason: "the arithmetic of time is a leaf that everything may import"},
		{who: []string{"pkg/aggregate"}, only: []string{"pkg/feature", "pkg/window", arrow, "github.com/cespare/xxhash/v2"},
			reason: "aggregation is arithmetic over columns: no I/O"},
		{who: []string{"..."}, except: append([]string{"worker/host"}, drivers...), direct: true, mayNot: drivers,
			reason: "engines and all above see contracts; worker/host alone chooses what stands behind them"},
		{who: []string{"starter/..."}, mayNot: drivers, reason: "the command line talks to a worker and to Temporal; it stays small and links nothing native"},
		{who: []string{"worker/...", "starter/..."}, mayNot: []string{"github.com/apache/arrow-go/..."},
			reason: "Arrow is v15 throughout: records of two versions do not mix"},
	}
	for _, driver := range drivers {
		var others []string
		for _, other := range drivers {
			if other != driver {
				others = append(others, other)
			}
		}
		out = append(out, rule{who: []string{driver}, mayNot: others, reason: "a driver that needs another cannot be replaced alone"})
	}
	return out
}

func TestImports(t *testing.T) {
	t.Parallel()
	g := load(t)
	for _, r := range rules() {
		require.True(t, slices.ContainsFunc(g.own(), func(path string) bool { return matches(path, r.who...) }), "no package is one of %v", r.who)
		require.Empty(t, r.check(g))
	}
}

func TestWorkflowsImportOnlyPlainPartsOfTheStandardLibrary(t *testing.T) {
	t.Parallel()
	require.Empty(t, unfitForWorkflows(load(t)))
}

// unfitForWorkflows lists imports of the standard library that workflows have no
// use for; workflowcheck looks at the functions of the others.
func unfitForWorkflows(g graph) []string {
	plain := []string{"bytes", "cmp", "encoding/json", "errors", "fmt", "maps", "slices", "strings", "time"}
	var out []string
	for _, imported := range g["workflows"].Imports {
		if g[imported].Standard && !matches(imported, plain...) {
			out = append(out, fmt.Sprintf("workflows -> %s: not a plain computation; if it is, add it to the list", imported))
		}
	}
	return out
}

func TestStarterLinksNoNativeCode(t *testing.T) {
	t.Parallel()
	require.Empty(t, native(load(t), "starter"))
}

// native lists the packages with cgo that path is linked with; the standard
// library's may be built without.
func native(g graph, path string) []string {
	isNative := func(p string) bool { return !g[p].Standard && len(g[p].CgoFiles) > 0 }
	if chain := g.chain(path, isNative); chain != nil {
		return []string{strings.Join(chain, " -> ") + ": is built with cgo, so that the command line cannot be cross-compiled"}
	}
	return nil
}

// TestViolationsAreReported plants one violation of each rule in a graph that
// has none: a rule that matches nothing would pass for ever.
func TestViolationsAreReported(t *testing.T) {
	t.Parallel()
	fake := func() graph {
		g := graph{
			"workflows": {Imports: []string{"activities", "fmt", "pkg/window"}}, "activities": {Imports: []string{"pkg/materialize"}},
			"worker": {Imports: []string{"worker/host"}}, "worker/host": {Imports: append([]string{"workflows"}, plainPaths(drivers)...)},
			"starter": {Imports: []string{"workflows", "net"}}, "pkg/client": {Imports: []string{"go.temporal.io/sdk/client"}},
			"pkg/materialize": {Imports: []string{"pkg/online", "pkg/aggregate"}}, "pkg/online": {Imports: []string{"pkg/feature"}},
			"pkg/aggregate": {Imports: []string{"pkg/feature", "github.com/apache/arrow/go/v15/arrow/array"}},
			"pkg/feature":   {Imports: []string{"pkg/window", "time"}}, "pkg/window": {Imports: []string{"time"}},
			"fmt": {Standard: true}, "time": {Standard: true}, "os": {Standard: true}, "net": {Standard: true, CgoFiles: []string{"cgo.go"}},
			"github.com/apache/arrow/go/v15/arrow/array": {}, "github.com/apache/arrow-go/v18/arrow": {},
			"go.temporal.io/sdk/client": {}, "go.temporal.io/sdk/activity": {}, "example.com/yaml": {},
			"example.com/native": {CgoFiles: []string{"native.go"}},
		}
		for _, driver := range plainPaths(drivers) {
			g[driver] = node{Imports: []string{"pkg/feature"}}
		}
		return g
	}
	all := func(g graph) []string {
		var out []string
		for _, r := range rules() {
			out = append(out, r.check(g)...)
		}
		return append(append(out, unfitForWorkflows(g)...), native(g, "starter")...)
	}
	require.Empty(t, all(fake()))
	for _, c := range []struct{ from, to, want string }{
		{"pkg/online", "go.temporal.io/sdk/activity", "pkg/materialize -> pkg/online -> go.temporal.io/sdk/activity: the engines know nothing of Temporal"},
		{"activities", "workflows", "activities -> workflows: activities do work"},
		{"workflows", "go.temporal.io/sdk/client", "workflows -> go.temporal.io/sdk/client: workflows see names"},
		{"workflows", "pkg/materialize", "workflows -> pkg/materialize: workflows see names"},
		{"workflows", "os", "workflows -> os: not a plain computation"},
		{"pkg/feature", "example.com/yaml", "pkg/feature -> example.com/yaml: definitions are a leaf"},
		{"pkg/window", "pkg/online", "pkg/window -> pkg/online: the arithmetic of time is a leaf"},
		{"pkg/aggregate", "pkg/online", "pkg/aggregate -> pkg/online: aggregation is arithmetic"},
		{"pkg/materialize", "pkg/online/pebble", "pkg/materialize -> pkg/online/pebble: engines and all above see contracts"},
		{"starter", "worker/host", "starter -> worker/host -> pkg/bucket/file: the command line"},
		{"starter", "example.com/native", "starter -> example.com/native: is built with cgo"},
		{"pkg/materialize", "github.com/apache/arrow-go/v18/arrow", "-> github.com/apache/arrow-go/v18/arrow: Arrow is v15 throughout"},
		{"pkg/offline/delta", "pkg/bucket/file", "pkg/offline/delta -> pkg/bucket/file: a driver that needs another"},
		{"pkg/transform/duckdb", "pkg/online/pebble", "pkg/transform/duckdb -> pkg/online/pebble: a driver that needs another"},
	} {
		g := fake()
		n := g[c.from]
		n.Imports = append(n.Imports, c.to)
		g[c.from] = n
		require.Contains(t, strings.Join(all(g), "\n"), c.want)
	}
}

func plainPaths(patterns []string) []string {
	out := make([]string, len(patterns))
	for i, pattern := range patterns {
		out[i] = strings.TrimSuffix(pattern, "/...")
	}
	return out
}
