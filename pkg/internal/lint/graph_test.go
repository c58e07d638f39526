package lint_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

const module = "github.com/tilery/tilery"

// node is one package. Imports are those of its files without tests.
type node struct {
	Name     string
	Doc      string
	Dir      string
	Standard bool
	CgoFiles []string
	Imports  []string
}

// graph is the packages by import path; those of the module without its name:
// "pkg/window".
type graph map[string]node

// load reads the packages of the module and all that they are linked with.
func load(t *testing.T) graph {
	t.Helper()
	out := command(t, "go", "list", "-deps", "-json=ImportPath,Name,Doc,Dir,Standard,CgoFiles,Imports", "./...")
	g := graph{}
	for decoder := json.NewDecoder(bytes.NewReader(out)); ; {
		var listed struct {
			node
			ImportPath string
		}
		err := decoder.Decode(&listed)
		if errors.Is(err, io.EOF) {
			return g
		}
		require.NoError(t, err)
		for i, path := range listed.Imports {
			listed.Imports[i] = short(path)
		}
		g[short(listed.ImportPath)] = listed.node
	}
}

func short(path string) string { return strings.TrimPrefix(path, module+"/") }

// root is the repository.
func root(t *testing.T) string {
	t.Helper()
	directory, err := filepath.Abs("../../..")
	require.NoError(t, err)
	return directory
}

// command returns what a program prints that runs in the repository's root.
func command(t *testing.T, name string, args ...string) []byte {
	t.Helper()
	c := exec.CommandContext(t.Context(), name, args...)
	c.Dir = root(t)
	var problems strings.Builder
	c.Stderr = &problems
	out, err := c.Output()
	require.NoError(t, err, "%s %v: %s", name, args, &problems)
	return out
}

// own are the module's packages, in order.
func (g graph) own() []string {
	var out []string
	for path, n := range g {
		if !n.Standard && !strings.Contains(strings.SplitN(path, "/", 2)[0], ".") {
			out = append(out, path)
		}
	}
	slices.Sort(out)
	return out
}

// chain is the shortest way by imports from a package to one that forbidden
// accepts, nil when there is none.
func (g graph) chain(from string, forbidden func(path string) bool) []string {
	cameFrom := map[string]string{from: ""}
	for queue := []string{from}; len(queue) > 0; queue = queue[1:] {
		for _, next := range g[queue[0]].Imports {
			if _, seen := cameFrom[next]; seen {
				continue
			}
			cameFrom[next] = queue[0]
			if forbidden(next) {
				var chain []string
				for path := next; path != ""; path = cameFrom[path] {
					chain = append(chain, path)
				}
				slices.Reverse(chain)
				return chain
			}
			queue = append(queue, next)
		}
	}
	return nil
}

// matches reports whether path is one of the patterns; "pkg/..." is pkg and all
// below, "..." is everything.
func matches(path string, patterns ...string) bool {
	return slices.ContainsFunc(patterns, func(pattern string) bool {
		folder, tree := strings.CutSuffix(pattern, "/...")
		return pattern == "..." || path == folder || tree && strings.HasPrefix(path, folder+"/")
	})
}

// rule says what packages may not be linked with, directly or by way of others;
// or, if only is set, what they may import at all, beside the standard library.
type rule struct {
	who    []string
	except []string
	mayNot []string
	only   []string
	direct bool // mayNot concerns direct imports
	reason string
}

// check returns a line for each violation.
func (r rule) check(g graph) []string {
	var out []string
	for _, path := range g.own() {
		if !matches(path, r.who...) || matches(path, r.except...) {
			continue
		}
		for _, chain := range r.violations(g, path) {
			out = append(out, fmt.Sprintf("%s: %s", strings.Join(chain, " -> "), r.reason))
		}
	}
	return out
}

func (r rule) violations(g graph, path string) [][]string {
	if r.mayNot != nil && !r.direct {
		if chain := g.chain(path, func(p string) bool { return matches(p, r.mayNot...) }); chain != nil {
			return [][]string{chain}
		}
		return nil
	}
	var out [][]string
	for _, imported := range g[path].Imports {
		switch {
		case r.mayNot != nil && matches(imported, r.mayNot...):
			out = append(out, []string{path, imported})
		case r.only != nil && !g[imported].Standard && !matches(imported, r.only...):
			out = append(out, []string{path, imported})
		}
	}
	return out
}
