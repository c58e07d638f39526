package registry

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/tilery/tilery/pkg/feature"
	"github.com/tilery/tilery/pkg/feature/repository"
	"github.com/tilery/tilery/pkg/transform"
	"github.com/tilery/tilery/pkg/viewtest"
)

// Test judges the files as Plan does and runs the tests of their views, whose
// results it hands to each. It needs no registry. The error is a *repository.Error
// when definitions are at fault or tests fail.
func Test(ctx context.Context, engine transform.Engine, files []repository.File, each func(viewtest.Result)) error {
	parsed, err := repository.Parse(files)
	if err != nil {
		return err
	}
	p := &Planner{Engine: engine}
	if _, err := p.describe(ctx, parsed); err != nil {
		return err
	}
	return testViews(ctx, engine, parsed, each)
}

// testViews runs the tests of all views. The error is a *repository.Error with a
// problem for each that fails.
func testViews(ctx context.Context, engine transform.Engine, parsed *repository.Parsed, each func(viewtest.Result)) error {
	var problems []repository.Problem
	err := viewtest.RunAll(ctx, engine, &parsed.Repository, func(r viewtest.Result) {
		each(r)
		if len(r.Differences) == 0 {
			return
		}
		view, _ := parsed.BatchFeatureView(r.View)
		i := slices.IndexFunc(view.Tests, func(t feature.ViewTest) bool { return t.Name == r.Test })
		problems = append(problems, parsed.Locate(feature.Problem{
			Kind: KindView, Name: r.View, Field: fmt.Sprintf("tests[%d]", i),
			Text: fmt.Sprintf("%q fails:\n%s", r.Test, strings.Join(r.Differences, "\n")),
		}))
	})
	if err == nil && len(problems) > 0 {
		err = &repository.Error{Problems: problems}
	}
	return err
}
