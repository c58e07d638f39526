package host

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/tilery/tilery/pkg/feature/repository"
	"github.com/tilery/tilery/pkg/registry"
	"github.com/tilery/tilery/pkg/transform/duckdb"
	"github.com/tilery/tilery/pkg/viewtest"
)

// ErrTestsFailed is a repository whose definitions are at fault, or whose tests fail.
var ErrTestsFailed = errors.New("tests failed")

// testResult is a line of TestViews' JSON.
type testResult struct {
	View        string   `json:"view"`
	Test        string   `json:"test"`
	Passed      bool     `json:"passed"`
	Differences []string `json:"differences,omitempty"`
}

// TestViews runs the tests of the feature repository in a directory and writes
// their results, as text or as one JSON object a line. It needs no Temporal, no
// bucket and no configuration. What is wrong is written; the error says only that
// something is (ErrTestsFailed), or why nothing could be run.
func TestViews(ctx context.Context, directory string, asJSON bool, out io.Writer) error {
	files, err := repository.Read(directory)
	if err != nil {
		return err
	}
	passed, failed := 0, 0
	err = registry.Test(ctx, duckdb.Engine{}, files, func(r viewtest.Result) {
		line := testResult{r.View, r.Test, len(r.Differences) == 0, r.Differences}
		if line.Passed {
			passed++
		} else {
			failed++
		}
		if asJSON {
			_ = json.NewEncoder(out).Encode(line) // a closed pipe ends the run no later than its last line
			return
		}
		verdict := map[bool]string{true: "pass", false: "FAIL"}[line.Passed]
		fmt.Fprintf(out, "%s  %s  %s\n", verdict, r.View, r.Test)
	})
	var problems *repository.Error
	if err != nil && !errors.As(err, &problems) {
		return err
	}
	if !asJSON {
		if problems != nil {
			fmt.Fprintf(out, "\n%v\n", problems)
		}
		fmt.Fprintf(out, "%d passed, %d failed\n", passed, failed)
	}
	switch {
	case problems == nil:
		return nil
	case asJSON && failed == 0:
		return fmt.Errorf("%s cannot be used:\n%w", directory, err)
	}
	return fmt.Errorf("%s: %w", directory, ErrTestsFailed)
}
