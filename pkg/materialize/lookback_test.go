package materialize_test

import (
	"context"
	"testing"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/stretchr/testify/require"

	"github.com/tilery/tilery/pkg/feature"
	"github.com/tilery/tilery/pkg/materialize"
	"github.com/tilery/tilery/pkg/source"
	"github.com/tilery/tilery/pkg/transform"
	"github.com/tilery/tilery/pkg/window"
)

// asked is a source and an engine that remember what they are asked for.
type asked struct {
	source.Batch
	transform.Engine
	files   []window.Interval
	queries []transform.Query
}

// Files implements source.Batch.
func (a *asked) Files(_ context.Context, _ feature.BatchSource, i window.Interval) (source.Files, error) {
	a.files = append(a.files, i)
	return source.Files{Files: []source.File{{Path: "/x"}}}, nil
}

// Run implements transform.Engine.
func (a *asked) Run(_ context.Context, q transform.Query, _ func(arrow.Record) error) (transform.Stats, error) {
	a.queries = append(a.queries, q)
	return transform.Stats{}, nil
}

func TestSourcesAreSeenFromTheirOffsetBeforeTheWindow(t *testing.T) {
	t.Parallel()
	view := newView(hour, day)
	events := view.Sources[0]
	view.Sources = nil
	for i, offset := range []feature.Offset{0, feature.Offset(-2 * hour), feature.Offset(-5 * 365 * day), feature.Unbounded} {
		s := events
		s.Name = string(rune('a' + i))
		s.BatchConfig.FileFormat = feature.CSV
		s.StartTimeOffset = offset
		view.Sources = append(view.Sources, s)
	}
	s := newScene(t, view)
	a := &asked{}
	s.engine.Sources, s.engine.Transform = a, a
	w := span(0, day)
	_, err := s.engine.Build(t.Context(), s.target, s.table, materialize.BuildRequest{Range: w, ReadAt: s.clock, Attempt: "a"})
	require.NoError(t, err)

	want := []window.Interval{w, {Start: start.Add(-2 * hour), End: w.End}, {Start: start.Add(-5 * 365 * day), End: w.End}, {Start: window.MinTime, End: w.End}}
	require.Equal(t, want, a.files)
	require.Len(t, a.queries, 1)
	require.Equal(t, w, a.queries[0].Interval, "the result is held to the window")
	for i, table := range a.queries[0].Tables {
		require.Equal(t, want[i], table.Interval)
		require.Equal(t, feature.CSV, table.Format)
		require.Equal(t, []source.File{{Path: "/x"}}, table.Files)
	}
}
