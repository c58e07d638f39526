package workflows_test

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"reflect"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/workflow"

	"github.com/tilery/tilery/activities"
	"github.com/tilery/tilery/pkg/window"
	"github.com/tilery/tilery/workflows"
)

// names takes down what is registered.
type names struct{ workflows []any }

func (n *names) RegisterWorkflow(w any) { n.workflows = append(n.workflows, w) }
func (n *names) RegisterWorkflowWithOptions(w any, _ workflow.RegisterOptions) {
	n.workflows = append(n.workflows, w)
}
func (*names) RegisterDynamicWorkflow(any, workflow.DynamicRegisterOptions) {}

// registered are the names of the workflows, in order.
func registered() []string {
	var out []string
	for _, function := range registeredFunctions() {
		full := runtime.FuncForPC(function.Pointer()).Name()
		out = append(out, full[strings.LastIndex(full, ".")+1:])
	}
	slices.Sort(out)
	return out
}

func registeredFunctions() []reflect.Value {
	var n names
	workflows.Register(&n)
	out := make([]reflect.Value, len(n.workflows))
	for i, w := range n.workflows {
		out[i] = reflect.ValueOf(w)
	}
	return out
}

// TestWireNames compares every name that running jobs, recorded histories and
// people's scripts know with a golden file. A name that goes or changes breaks
// them; new ones may come.
func TestWireNames(t *testing.T) {
	t.Parallel()
	var b strings.Builder
	list := func(kind string, names ...string) {
		for _, name := range names {
			fmt.Fprintf(&b, "%s %s\n", kind, name)
		}
	}
	list("queue", workflows.TaskQueueControl, workflows.TaskQueueBatch)
	list("query", workflows.QueryProgress)
	list("signal", workflows.SignalReconcile)
	list("update", workflows.UpdatePause, workflows.UpdateResume, workflows.UpdateParallelism, workflows.UpdateRate, workflows.UpdateRetry)
	list("search-attribute", workflows.SearchWorkspace.GetName(), workflows.SearchFeatureView.GetName(), workflows.SearchJobType.GetName(),
		workflows.SearchWindowStart.GetName(), workflows.SearchWindowEnd.GetName())
	list("job-type", workflows.JobTypeBatch, workflows.JobTypeIngest, workflows.JobTypeDeletion, workflows.JobTypeMaintenance, workflows.JobTypeRetrieval)
	list("workflow", registered()...)
	kinds := []reflect.Type{reflect.TypeFor[*activities.Materialize](), reflect.TypeFor[*activities.Schedules](), reflect.TypeFor[*activities.Retrieve](),
		reflect.TypeFor[*activities.Ingest](), reflect.TypeFor[*activities.Delete]()}
	for _, kind := range kinds {
		for method := range kind.NumMethod() {
			list("activity", kind.Method(method).Name)
		}
	}
	list("error", append(errorTypes(t, "names.go"), errorTypes(t, "../activities/errors.go")...)...)
	shapes := map[string]bool{}
	for _, function := range registeredFunctions() {
		describe(function.Type(), shapes)
	}
	for _, kind := range kinds {
		for method := range kind.NumMethod() {
			describe(kind.Method(method).Type, shapes)
		}
	}
	list("field", slices.Sorted(maps.Keys(shapes))...)
	golden(t, "wire_names.golden", b.String())
}

// errorTypes are the values of the constants Error… of a file.
func errorTypes(t *testing.T, path string) []string {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), path, nil, 0)
	require.NoError(t, err)
	var out []string
	ast.Inspect(file, func(n ast.Node) bool {
		if spec, ok := n.(*ast.ValueSpec); ok && strings.HasPrefix(spec.Names[0].Name, "Error") {
			out = append(out, strings.Trim(spec.Values[0].(*ast.BasicLit).Value, `"`))
		}
		return true
	})
	require.NotEmpty(t, out)
	slices.Sort(out)
	return out
}

// describe adds "Type.json_name" for the fields of what a function takes and returns.
func describe(function reflect.Type, shapes map[string]bool) {
	for i := range function.NumIn() {
		fields(function.In(i), shapes)
	}
	for i := range function.NumOut() {
		fields(function.Out(i), shapes)
	}
}

func fields(kind reflect.Type, shapes map[string]bool) {
	for kind.Kind() == reflect.Pointer || kind.Kind() == reflect.Slice {
		kind = kind.Elem()
	}
	switch kind {
	case reflect.TypeFor[activities.Materialize](), reflect.TypeFor[activities.Schedules](), reflect.TypeFor[activities.Retrieve](),
		reflect.TypeFor[activities.Ingest](), reflect.TypeFor[activities.Delete]():
		return
	}
	if kind.Kind() != reflect.Struct {
		return
	}
	for i := range kind.NumField() {
		field := kind.Field(i)
		switch name, _, _ := strings.Cut(field.Tag.Get("json"), ","); {
		case name != "":
			shapes[kind.Name()+"."+name] = true
		case field.Anonymous:
			shapes[kind.Name()+" with "+field.Type.Name()] = true
		default:
			continue
		}
		fields(field.Type, shapes)
	}
}

func TestMaterializeID(t *testing.T) {
	t.Parallel()
	from, to := start, start.Add(7*24*time.Hour)
	for want, bounds := range map[string][2]*window.Time{
		"materialize/dev/airport_delays/2001-01-01T00:00:00Z-2001-01-08T00:00:00Z": {&from, &to},
		"materialize/dev/airport_delays/all-2001-01-08T00:00:00Z":                  {nil, &to},
		"materialize/dev/airport_delays/all-all":                                   {nil, nil},
	} {
		require.Equal(t, want, workflows.MaterializeID("dev", "airport_delays", bounds[0], bounds[1]))
	}
}
