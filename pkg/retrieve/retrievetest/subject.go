package retrievetest

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/tilery/tilery/pkg/bucket"
	"github.com/tilery/tilery/pkg/materialize"
	"github.com/tilery/tilery/pkg/offline"
	"github.com/tilery/tilery/pkg/online"
	"github.com/tilery/tilery/pkg/retrieve/oracle"
	"github.com/tilery/tilery/pkg/window"
)

// Subject is a view with its offline table.
type Subject struct {
	*View
	Target *materialize.Target
	Table  offline.Table
	Engine *materialize.Engine
	Source []oracle.Event // what the SQL of the next builds returns
	// Version is that of the table at which joins read; 0: the newest.
	Version int64

	t         require.TestingT
	ctx       context.Context
	clock     window.Time
	ids       int
	committed map[window.Time][]oracle.Event // by start of a window; of a table by sequence
	byKey     map[any][]oracle.Event         // of committed; nil: to be made
}

// NewSubject returns a subject with an empty table in a store over the bucket, which
// may hold the tables of several, one for each view of a workspace.
func NewSubject(ctx context.Context, t require.TestingT, b bucket.Bucket, store offline.Store, scratch, workspace string, v *View) *Subject {
	s := &Subject{View: v, t: t, ctx: ctx, clock: Start.Add(3650 * 24 * time.Hour), committed: map[window.Time][]oracle.Event{}}
	s.Engine = &materialize.Engine{
		Bucket: b, Sources: noFiles{}, Transform: engine{t, &s.Source},
		Offline: store,
		Options: materialize.Options{ScratchDir: scratch},
	}
	var err error
	s.Target, err = materialize.NewTarget(workspace, 1, v.View)
	require.NoError(t, err)
	s.Table, err = s.Engine.Table(ctx, s.Target, Start)
	require.NoError(t, err)
	return s
}

// Events returns those of the windows that are committed, and of a table those that count.
func (s *Subject) Events() []oracle.Event {
	var events []oracle.Event
	for _, of := range slices.Sorted(maps.Keys(s.committed)) {
		events = append(events, s.committed[of]...)
	}
	if s.Ingested {
		return lastOf(events)
	}
	return events
}

// eventsOf returns those of a key.
func (s *Subject) eventsOf(key any) []oracle.Event {
	if s.byKey == nil {
		s.byKey = map[any][]oracle.Event{}
		for _, e := range s.Events() {
			s.byKey[e.Key] = append(s.byKey[e.Key], e)
		}
	}
	return s.byKey[key]
}

// Span is from the first window that is wanted to some after the features' start; of a
// table some hours.
func (s *Subject) Span(windows int) window.Interval {
	if s.Ingested {
		return window.Interval{Start: Start, End: Start.Add(time.Duration(windows) * s.step())}
	}
	end := s.FeatureStartTime.Floor(s.Schedule()).Add(time.Duration(windows) * s.Schedule())
	return window.Interval{Start: s.MaterializationStart(), End: end}
}

// Build builds windows from Source.
func (s *Subject) Build(windows window.Interval) []offline.Build {
	s.clock++
	s.ids++
	builds, err := s.Engine.Build(s.ctx, s.Target, s.Table, materialize.BuildRequest{
		Range: windows, OneRun: true, ReadAt: s.clock, Attempt: fmt.Sprint("attempt-", s.ids),
	})
	require.NoError(s.t, err)
	return builds
}

// Commit makes builds of Source visible, in place of what was there before.
func (s *Subject) Commit(builds ...offline.Build) {
	s.ids++
	result, err := s.Table.Commit(s.ctx, offline.Commit{
		ID: fmt.Sprint("commit-", s.ids), Job: "test", Generation: 1, Overwrite: true, Online: true, Builds: builds,
	})
	require.NoError(s.t, err)
	s.byKey = nil
	for i, b := range builds {
		require.Equal(s.t, offline.Committed, result.Outcomes[i])
		s.committed[b.Window.Start] = slices.DeleteFunc(slices.Clone(s.Source), func(e oracle.Event) bool {
			return !b.Window.Contains(window.Time(e.Time))
		})
	}
}

// Compact replaces small files by few.
func (s *Subject) Compact() {
	s.ids++
	_, err := s.Table.Compact(s.ctx, offline.CompactRequest{ID: fmt.Sprint("compact-", s.ids), Job: "test", MinFiles: 2})
	require.NoError(s.t, err)
}

// Follow has an online store follow the table.
func (s *Subject) Follow(store online.Store) {
	s.Engine.Online = store
	_, err := s.Engine.Apply(s.ctx, s.Target, s.Table, nil)
	require.NoError(s.t, err)
}

// Snapshot returns the state of the table at which joins read.
func (s *Subject) Snapshot() offline.Snapshot {
	snapshot, err := s.Table.Snapshot(s.ctx)
	if s.Version > 0 {
		snapshot, err = s.Table.SnapshotAt(s.ctx, s.Version)
	}
	require.NoError(s.t, err)
	return snapshot
}

// Fill draws events and makes them visible by several commits: some windows are left
// out, some are built again from other events, and files are compacted at times.
func (s *Subject) Fill(t *rapid.T) {
	if s.Ingested {
		s.fillTable(t)
		return
	}
	span := s.Span(rapid.IntRange(1, 8).Draw(t, "windows"))
	s.Source = s.EventsOf(t, "events", span)
	var some []offline.Build
	for _, b := range s.Build(span) {
		switch rapid.SampledFrom([]string{"with the next", "commit", "with the next", "leave out", "compact"}).Draw(t, "window") {
		case "leave out":
			continue
		case "with the next":
			some = append(some, b)
			continue
		case "commit":
			s.Commit(append(some, b)...)
		case "compact":
			s.Commit(append(some, b)...)
			s.Compact()
		}
		some = nil
	}
	s.Commit(some...)
	again := rapid.SliceOfNDistinct(rapid.SampledFrom(span.Split(s.Schedule())), 0, 3, rapid.ID).Draw(t, "again")
	if len(again) == 0 {
		return
	}
	s.Source = s.EventsOf(t, "other events", span)
	for _, w := range again {
		s.Commit(s.Build(w)...)
	}
	if rapid.Bool().Draw(t, "compact") {
		s.Compact()
	}
}
