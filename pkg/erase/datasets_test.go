package erase_test

import (
	"strings"
	"testing"

	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/stretchr/testify/require"

	"github.com/tilery/tilery/pkg/dataset"
	"github.com/tilery/tilery/pkg/erase"
	"github.com/tilery/tilery/pkg/feature"
	"github.com/tilery/tilery/pkg/frame"
	"github.com/tilery/tilery/pkg/record"
)

// saved is a dataset of some users, whose keys are in a column.
func (s *scene) saved(name, column string, r dataset.Request, spine string, users ...int) {
	s.t.Helper()
	fields := feature.Schema{{Name: column, Type: feature.String}, {Name: "n", Type: feature.Int64}}
	events := make([]event, len(users))
	for i, user := range users {
		events[i] = event{user: user}
	}
	rec, err := recordOf(events, feature.Schema{columns[0], fields[1]})
	require.NoError(s.t, err)
	w, err := s.engine.Datasets.Create(s.t.Context(), "prod", name, fields)
	require.NoError(s.t, err)
	o := dataset.Origin{Request: r, Generation: s.stores().Generation}
	if spine != "" {
		put, err := w.PutSpine(s.t.Context(), strings.NewReader(spine), frame.CSV)
		require.NoError(s.t, err)
		put.Schema = fields[:1]
		o.Spine = &put
	}
	require.NoError(s.t, w.Write(s.t.Context(), array.NewRecord(record.ArrowSchema(fields), rec.Columns(), rec.NumRows())))
	_, err = w.Commit(s.t.Context(), s.product(), o)
	require.NoError(s.t, err)
}

func (s *scene) datasets() (names []string) {
	s.t.Helper()
	all, err := s.engine.Datasets.List(s.t.Context(), "prod", "", "", 100)
	require.NoError(s.t, err)
	for _, d := range all {
		names = append(names, d.Name)
	}
	return names
}

func TestDatasetsThatHoldAKeyAreRemovedOnlyIfAsked(t *testing.T) {
	t.Parallel()
	s := newFilled(t, rowsByName, randomEvents(9, 200, 10))
	r := newRepository(rowsByName, "three")
	other := r.BatchFeatureViews[0]
	other.Name = "other"
	r.BatchFeatureViews = append(r.BatchFeatureViews, other)
	use := func(view, as string) feature.ServiceFeatures {
		return feature.ServiceFeatures{FeatureView: view, Namespace: "of_" + as, JoinKeyMap: map[string]string{"name": as}}
	}
	r.FeatureServices = []feature.FeatureService{
		{Metadata: feature.Metadata{Name: "both"}, Features: []feature.ServiceFeatures{use("spending", "buyer"), use("spending", "seller")}},
		{Metadata: feature.Metadata{Name: "another"}, Features: []feature.ServiceFeatures{use("other", "buyer")}},
	}
	_, err := s.engine.Views.Registry.Apply(t.Context(), "prod", s.stores().Generation, r, s.product())
	require.NoError(t, err)

	view, service := dataset.Request{View: "spending"}, dataset.Request{Service: "both"}
	s.saved("of-the-view", "name", view, "", 1, 2, 3)
	s.saved("of-others", "name", view, "", 2, 3)
	s.saved("of-the-spine", "name", dataset.Request{View: "spending", Entities: true}, "name\n"+nameOf(1)+"\n", 2)
	s.saved("of-a-service", "seller", service, "", 1)
	s.saved("of-the-service-and-others", "seller", service, "", 2)
	s.saved("of-another-view", "name", dataset.Request{View: "other"}, "", 1)
	s.saved("of-another-service", "buyer", dataset.Request{Service: "another"}, "", 1)
	all := s.datasets()

	receipt := s.delete(erase.Request{Offline: true}, 1)
	require.Equal(t, []erase.DatasetResult{
		{Name: "of-a-service"}, {Name: "of-others"}, {Name: "of-the-service-and-others"}, {Name: "of-the-spine"}, {Name: "of-the-view"},
	}, receipt.Datasets)
	require.Equal(t, all, s.datasets())
	receipt = s.delete(erase.Request{Offline: true, Datasets: true}, 1)
	require.Equal(t, []erase.DatasetResult{
		{Name: "of-a-service", Removed: true}, {Name: "of-the-spine", Removed: true}, {Name: "of-the-view", Removed: true},
	}, receipt.Datasets)
	require.Equal(t, []string{"of-another-service", "of-another-view", "of-others", "of-the-service-and-others"}, s.datasets())
}
