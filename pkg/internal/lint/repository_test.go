package lint_test

import (
	"encoding/json"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestPackagesSayWhatTheyAre(t *testing.T) {
	t.Parallel()
	require.Empty(t, unnamed(load(t)))
}

// unnamed lists packages whose name or documentation says nothing.
func unnamed(g graph) []string {
	var out []string
	for _, p := range g.own() {
		if slices.Contains([]string{"util", "utils", "common", "helper", "helpers", "misc", "shared"}, g[p].Name) {
			out = append(out, p+": its name does not say what it is for")
		}
		if g[p].Doc == "" {
			out = append(out, p+": has no package comment; say what it guarantees, how it fails, and why")
		}
	}
	return out
}

func TestUnnamedPackagesAreReported(t *testing.T) {
	t.Parallel()
	require.Equal(t, []string{"pkg/a: has no package comment; say what it guarantees, how it fails, and why", "pkg/util: its name does not say what it is for"},
		unnamed(graph{"pkg/a": {Name: "a"}, "pkg/util": {Name: "util", Doc: "Package util."}, "fmt": {Standard: true}}))
}

// requirement is a line of go.mod.
type requirement struct {
	Path     string
	Indirect bool
}

func requirements(t *testing.T) []requirement {
	var file struct{ Require []requirement }
	require.NoError(t, json.Unmarshal(command(t, "go", "mod", "edit", "-json"), &file))
	require.NotEmpty(t, file.Require)
	return file.Require
}

// TestTheServerIsNoDependency keeps the Temporal server's modules out of
// everybody's build who uses this one; deploy/local has them.
func TestTheServerIsNoDependency(t *testing.T) {
	t.Parallel()
	for _, required := range requirements(t) {
		require.NotContains(t, []string{"go.temporal.io/server", "github.com/temporalio/ui-server/v2"}, required.Path)
	}
}

func TestDependenciesAreJustified(t *testing.T) {
	t.Parallel()
	reasons, err := os.ReadFile(filepath.Join(root(t), "docs", "dependencies.md"))
	require.NoError(t, err)
	for _, required := range requirements(t) {
		if !required.Indirect {
			require.Contains(t, string(reasons), required.Path, "say in docs/dependencies.md why it is there")
		}
	}
}

// TestWorkflowVariablesAreConstant: a package variable that changes makes a
// replay differ from the run, and no tool sees it.
func TestWorkflowVariablesAreConstant(t *testing.T) {
	t.Parallel()
	paths, err := filepath.Glob(filepath.Join(root(t), "workflows", "*.go"))
	require.NoError(t, err)
	var files []*ast.File
	set := token.NewFileSet()
	for _, p := range paths {
		if strings.HasSuffix(p, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(set, p, nil, parser.SkipObjectResolution)
		require.NoError(t, err)
		files = append(files, file)
	}
	require.NotEmpty(t, files)
	require.Empty(t, assigned(set, files))
}

func TestAssignedVariablesAreReported(t *testing.T) {
	t.Parallel()
	const source = `package p
var options struct{ Retries int; Names map[string]int }
var constant = 3
var pointer = &options
func f() {
	options.Retries = 3
	options.Names["x"]++
	(*pointer).Retries += constant
	other := constant
	other = 4
	_ = &constant
}`
	set := token.NewFileSet()
	file, err := parser.ParseFile(set, "p.go", source, parser.SkipObjectResolution)
	require.NoError(t, err)
	require.Equal(t, []string{"p.go:6: options changes", "p.go:7: options changes", "p.go:8: pointer changes", "p.go:11: constant may change through its address"},
		assigned(set, []*ast.File{file}))
}

// assigned lists what changes a package variable. A local variable of the same
// name counts as well: it deserves another name.
func assigned(set *token.FileSet, files []*ast.File) []string {
	variables := map[string]bool{}
	for _, file := range files {
		for _, declaration := range file.Decls {
			if d, ok := declaration.(*ast.GenDecl); ok && d.Tok == token.VAR {
				for _, spec := range d.Specs {
					for _, name := range spec.(*ast.ValueSpec).Names {
						variables[name.Name] = name.Name != "_"
					}
				}
			}
		}
	}
	var out []string
	report := func(e ast.Expr, how string) {
		if name := variable(e); variables[name] {
			at := set.Position(e.Pos())
			out = append(out, fmt.Sprintf("%s:%d: %s %s", at.Filename, at.Line, name, how))
		}
	}
	inspect := func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.AssignStmt:
			for _, left := range n.Lhs {
				report(left, "changes")
			}
		case *ast.IncDecStmt:
			report(n.X, "changes")
		case *ast.UnaryExpr:
			if n.Op == token.AND {
				report(n.X, "may change through its address")
			}
		}
		return true
	}
	for _, file := range files {
		for _, declaration := range file.Decls {
			if function, ok := declaration.(*ast.FuncDecl); ok {
				ast.Inspect(function, inspect)
			}
		}
	}
	return out
}

// variable is the name that an expression begins with: x in (*x).y[z].
func variable(e ast.Expr) string {
	for {
		switch inner := e.(type) {
		case *ast.Ident:
			return inner.Name
		case *ast.SelectorExpr:
			e = inner.X
		case *ast.IndexExpr:
			e = inner.X
		case *ast.StarExpr:
			e = inner.X
		case *ast.ParenExpr:
			e = inner.X
		default:
			return ""
		}
	}
}

// TestFilesReferToNothingOutside: a checkout is complete.
func TestFilesReferToNothingOutside(t *testing.T) {
	t.Parallel()
	outside := "../" + "shared" // not the text itself, which this file would be found for
	for _, name := range strings.Fields(string(command(t, "git", "ls-files", "--cached", "--others", "--exclude-standard"))) {
		if name == ".ci/run" || slices.Contains([]string{".parquet", ".gz", ".sum"}, path.Ext(name)) {
			continue
		}
		data, err := os.ReadFile(filepath.Join(root(t), name))
		if os.IsNotExist(err) {
			continue // removed, not yet committed
		}
		require.NoError(t, err)
		require.NotContains(t, string(data), outside, name)
	}
}
