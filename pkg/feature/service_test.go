package feature_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tilery/tilery/pkg/feature"
)

// served returns a valid repository with a view of tiles (delays, by origin), one of
// rows (routes, by origin and destination) and a service (model) with these features.
func served(features ...feature.ServiceFeatures) *feature.Repository {
	r := valid()
	r.Entities = append(r.Entities, feature.Entity{
		Metadata: feature.Metadata{Name: "route"},
		JoinKeys: feature.Schema{{Name: "origin", Type: feature.String}, {Name: "destination", Type: feature.Int64}},
	})
	routes := rows().BatchFeatureViews[0]
	routes.Name, routes.Entities = "routes", []string{"route"}
	routes.Schema = append(routes.Schema, feature.Field{Name: "destination", Type: feature.Int64})
	r.BatchFeatureViews = append(r.BatchFeatureViews, routes)
	r.FeatureServices = []feature.FeatureService{{Metadata: feature.Metadata{Name: "model"}, Features: features}}
	return r
}

func TestServiceHoldsWhatItTakes(t *testing.T) {
	r := served(
		feature.ServiceFeatures{FeatureView: "routes", Features: []string{"distance"}},
		feature.ServiceFeatures{FeatureView: "delays", Features: []string{"distance_sum_1h_1h", "delay_mean_1d_1h"}},
		feature.ServiceFeatures{FeatureView: "delays", JoinKeyMap: map[string]string{"origin": "hub"}, Namespace: "at_hub"},
	)
	require.Empty(t, problems(r))
	s, err := r.Service("model")
	require.NoError(t, err)
	require.Equal(t, []feature.Field{
		{Name: "origin", Type: feature.String}, {Name: "destination", Type: feature.Int64}, {Name: "hub", Type: feature.String},
	}, s.JoinKeys())
	require.Equal(t, feature.DefaultService, s.Type())

	require.Len(t, s.Views, 3)
	require.Equal(t, "routes", s.Views[0].Namespace)
	require.Equal(t, feature.Schema{{Name: "distance", Type: feature.Float64}}, s.Views[0].Features)
	require.Equal(t, map[string]string{"origin": "origin", "destination": "destination"}, s.Views[0].Keys)
	require.Equal(t, "delays", s.Views[1].Namespace)
	require.Equal(t, []string{"delay_mean_1d_1h", "distance_sum_1h_1h"}, s.Views[1].Features.Names(), "in the view's order")
	require.Equal(t, "at_hub", s.Views[2].Namespace)
	require.Equal(t, view(t, r).FeatureNames(), s.Views[2].Features.Names())
	require.Equal(t, map[string]string{"origin": "hub"}, s.Views[2].Keys)
}

func TestServiceWithAWildcardIsOne(t *testing.T) {
	r := served(feature.ServiceFeatures{FeatureView: "delays"}, feature.ServiceFeatures{FeatureView: "routes"})
	r.BatchFeatureViews[1].OnlineServingIndex = []string{"origin"}
	s, err := r.Service("model")
	require.NoError(t, err)
	require.Equal(t, feature.WildcardService, s.Type())
}

func TestServiceNamesWhatIsMissing(t *testing.T) {
	r := served(feature.ServiceFeatures{FeatureView: "routes", Features: []string{"origin"}})
	_, err := r.Service("other")
	require.EqualError(t, err, `no feature service "other"`)
	_, err = r.Service("model")
	require.EqualError(t, err, `feature service "model": feature view "routes" has no feature "origin"`)
	r.BatchFeatureViews[1].Schema = nil
	_, err = r.Service("model")
	require.EqualError(t, err, `feature service "model": features of routes: the columns of its result are not known`)
	r.BatchFeatureViews = nil
	_, err = r.Service("model")
	require.EqualError(t, err, `feature service "model": no feature view "routes"`)
}

func TestValidateServices(t *testing.T) {
	entries := func(n int) []feature.ServiceFeatures {
		var list []feature.ServiceFeatures
		for i := range n {
			list = append(list, feature.ServiceFeatures{FeatureView: "delays", Namespace: fmt.Sprint("n", i)})
		}
		return list
	}
	mapped := func(pairs ...string) feature.ServiceFeatures {
		f := feature.ServiceFeatures{FeatureView: "routes", JoinKeyMap: map[string]string{}}
		for i := 0; i < len(pairs); i += 2 {
			f.JoinKeyMap[pairs[i]] = pairs[i+1]
		}
		return f
	}
	delays := feature.ServiceFeatures{FeatureView: "delays"}
	wide := feature.ServiceFeatures{FeatureView: "delays", Features: make([]string, 1001)}
	const of = "FeatureService model: features"
	for name, c := range map[string]struct {
		features []feature.ServiceFeatures
		want     []string
	}{
		"none":             {nil, []string{of + ": needs 1 to 1000 entries, has 0"}},
		"most":             {entries(1000), nil},
		"too many":         {entries(1001), []string{of + ": needs 1 to 1000 entries, has 1001"}},
		"swapped keys":     {[]feature.ServiceFeatures{mapped("origin", "destination", "destination", "origin")}, nil},
		"no view":          {[]feature.ServiceFeatures{{Namespace: "x"}}, []string{of + "[0].feature_view: is required: the name of a feature view"}},
		"unknown view":     {[]feature.ServiceFeatures{{FeatureView: "weather"}}, []string{of + `[0].feature_view: no feature view "weather"`}},
		"unknown feature":  {[]feature.ServiceFeatures{{FeatureView: "routes", Features: []string{"delay", "late"}}}, []string{of + `[0].features[1]: feature view "routes" has no feature "late", want delay or distance`}},
		"many features":    {[]feature.ServiceFeatures{wide}, []string{of + "[0].features: 1001 features, at most 1000 are allowed"}},
		"feature twice":    {[]feature.ServiceFeatures{{FeatureView: "routes", Features: []string{"delay", "delay"}}}, []string{of + `[0].features[1]: feature "delay" is named twice`}},
		"view twice":       {[]feature.ServiceFeatures{delays, delays}, []string{of + `[1].namespace: "delays" is the namespace of features[0] as well: give one of them another`}},
		"namespace taken":  {[]feature.ServiceFeatures{delays, {FeatureView: "routes", Namespace: "delays"}}, []string{of + `[1].namespace: "delays" is the namespace of features[0] as well: give one of them another`}},
		"namespace's form": {[]feature.ServiceFeatures{{FeatureView: "delays", Namespace: "a.b"}}, []string{of + `[0].namespace: "a.b" must be a letter followed by letters, digits and underscores, at most 128 in all`}},
		"unknown key":      {[]feature.ServiceFeatures{mapped("airport", "hub")}, []string{of + `[0].join_key_map.airport: feature view "routes" has no join key "airport", want origin or destination`}},
		"key's form":       {[]feature.ServiceFeatures{mapped("origin", "")}, []string{of + `[0].join_key_map.origin: "" must be letters, digits and underscores, not starting with a digit, at most 128 in all`}},
		"two keys in one":  {[]feature.ServiceFeatures{mapped("origin", "destination")}, []string{of + `[0].join_key_map: join keys "origin" and "destination" are both called "destination", so they would always be equal: map one of them to another name`}},
		"types":            {[]feature.ServiceFeatures{delays, mapped("destination", "origin", "origin", "from")}, []string{of + `[1].join_key_map: key "origin" is String in feature view "delays" and Int64 in "routes": map one of them to another name`}},
		"upper and lower":  {[]feature.ServiceFeatures{delays, mapped("origin", "Origin")}, []string{of + `[1].join_key_map: key "Origin" of feature view "routes" differs from "origin" of "delays" in upper and lower case only: map one to the other`}},
	} {
		t.Run(name, func(t *testing.T) {
			require.Equal(t, c.want, problems(served(c.features...)))
		})
	}
}

// Before plan knows the columns of a view of rows, only what it has by definition is judged.
func TestFeaturesOfRowsAreJudgedOnceTheyAreKnown(t *testing.T) {
	r := served(feature.ServiceFeatures{FeatureView: "routes", Features: []string{"late"}})
	schema := r.BatchFeatureViews[1].Schema
	r.BatchFeatureViews[1].Schema = nil
	require.Empty(t, problems(r))
	r.BatchFeatureViews[1].Schema = schema
	require.Len(t, problems(r), 1)
}

func TestFewOfManyNamesAreShown(t *testing.T) {
	r := served(feature.ServiceFeatures{FeatureView: "delays", Features: []string{"any"}})
	v := &r.BatchFeatureViews[0]
	for i := range 22 {
		v.Aggregations = append(v.Aggregations, feature.Aggregation{Column: "delay", Function: feature.Count, TimeWindow: feature.Trailing(day), Name: fmt.Sprint("f", i)})
	}
	require.Len(t, problems(r), 1)
	require.Contains(t, problems(r)[0], ", f15, f16, and 5 more")
}

// A view that cannot be resolved is its own problem, not the service's.
func TestServicesOfBrokenViewsAreNotBlamed(t *testing.T) {
	r := served(feature.ServiceFeatures{FeatureView: "delays", Features: []string{"any"}})
	r.BatchFeatureViews[0].Entities = []string{"gate"}
	require.Equal(t, []string{ofView + `entities[0]: no entity "gate"`}, problems(r))
}
