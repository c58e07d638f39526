package retrieve_test

import (
	"maps"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/tilery/tilery/pkg/retrieve/retrievetest"
)

func TestASpineAcrossViewsOfAService(t *testing.T) {
	t.Parallel()
	s := newStudio(t)
	rapid.Check(t, func(t *rapid.T) {
		var subjects []*retrievetest.Subject
		for range rapid.IntRange(2, 3).Draw(t, "views") {
			kind := rapid.SampledFrom(slices.Sorted(maps.Keys(kindsOfTable()))).Draw(t, "kind")
			subject := s.subject(t, kindsOfTable()[kind](t))
			subject.Fill(t)
			subjects = append(subjects, subject)
		}
		spine := retrievetest.DrawSpine(t, subjects...)
		got := retrievetest.Join(subjects[0], drawOptions(t, s), spine, 50, subjects[1:]...)
		requireCells(t, got, spine, subjects...)
	})
}
