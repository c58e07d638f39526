package feature_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/tilery/tilery/pkg/feature"
	"github.com/tilery/tilery/pkg/window"
)

func table(t *testing.T, r *feature.Repository) feature.View {
	v, err := r.View("risk")
	require.NoError(t, err)
	return v
}

func tableFingerprint(t *testing.T, r *feature.Repository) string {
	got, err := table(t, r).Fingerprint()
	require.NoError(t, err)
	return got
}

func inTable(change func(d *feature.FeatureTable)) *feature.Repository {
	r := ingested()
	change(&r.FeatureTables[0])
	return r
}

func TestTablesResolveToViews(t *testing.T) {
	r := ingested()
	require.Empty(t, problems(r))
	require.Equal(t, []string{"delays", "risk"}, r.ViewNames())
	require.True(t, r.HasView("delays"))
	require.True(t, r.HasView("risk"))
	require.False(t, r.HasView("airport"))

	v := table(t, r)
	require.True(t, v.Ingested)
	require.False(t, v.Aggregated())
	require.Empty(t, v.Sources)
	require.Equal(t, "scored", v.TimestampField)
	require.Equal(t, []feature.Field{{Name: "origin", Type: feature.String}}, v.JoinKeys())
	require.Equal(t, []string{"score", "embedding"}, v.FeatureNames())
	output, err := v.OutputSchema()
	require.NoError(t, err)
	require.Equal(t, []string{"origin", "scored", "score", "embedding"}, output.Names(), "keys, time and features, whatever the schema's order")

	r.Entities = nil
	_, err = r.View("risk")
	require.EqualError(t, err, `feature view "risk": no entity "airport"`)
	require.False(t, view(t, valid()).Ingested)
}

func TestRowsOfATableCountFromTheirTimestampOn(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		ttl := feature.Duration(rapid.IntRange(1, 1e6).Draw(t, "ttl")) * 1e9
		v, err := inTable(func(d *feature.FeatureTable) { d.TTL = ttl }).View("risk")
		require.NoError(t, err)
		row := window.Time(rapid.Int64Range(int64(window.MinTime), int64(window.MaxTime)).Draw(t, "row"))
		require.Equal(t, row, v.Effective(row))
		expires, ok := v.Expires(row)
		require.True(t, ok)
		require.Equal(t, row.Add(time.Duration(ttl)), expires)
		require.Equal(t, row+1, v.CompleteEnd(row), "at its timestamp a row is there")
		require.LessOrEqual(t, v.MaterializationStart(), row)
	})
	v := table(t, inTable(func(d *feature.FeatureTable) { d.TTL = 0 }))
	_, ok := v.Expires(at("2001-01-01"))
	require.False(t, ok)
	require.Equal(t, window.MinTime, v.MaterializationStart())
	require.Equal(t, time.Microsecond, v.Schedule())
}

func TestServicesTakeTablesLikeViews(t *testing.T) {
	r := ingested()
	r.FeatureServices = []feature.FeatureService{{Metadata: feature.Metadata{Name: "model"}, Features: []feature.ServiceFeatures{
		{FeatureView: "risk", Features: []string{"score"}, Namespace: "r"}, {FeatureView: "delays"},
	}}}
	require.Empty(t, problems(r))
	s, err := r.Service("model")
	require.NoError(t, err)
	require.True(t, s.Views[0].View.Ingested)
	require.Equal(t, feature.Schema{{Name: "score", Type: feature.Float64}}, s.Views[0].Features)

	r.FeatureServices[0].Features[0].Features = []string{"scored"}
	require.Equal(t, []string{`FeatureService model: features[0].features[0]: feature view "risk" has no feature "scored", want score or embedding`}, problems(r))
}

func TestFingerprintOfATableTellsItsColumns(t *testing.T) {
	seen := map[string]string{tableFingerprint(t, ingested()): "nothing"}
	for name, change := range map[string]func(d *feature.FeatureTable){
		"feature's name": func(d *feature.FeatureTable) { d.Schema[0].Name = "points" },
		"feature's type": func(d *feature.FeatureTable) { d.Schema[0].Type = feature.Int64 },
		"another feature": func(d *feature.FeatureTable) {
			d.Schema = append(d.Schema, feature.Field{Name: "x", Type: feature.Bool})
		},
		"order of features": func(d *feature.FeatureTable) { d.Schema[0], d.Schema[3] = d.Schema[3], d.Schema[0] },
		"timestamp's name":  func(d *feature.FeatureTable) { d.Schema[2].Name = "at" },
	} {
		got := tableFingerprint(t, inTable(change))
		require.Empty(t, seen[got], "%s gives the fingerprint of another change", name)
		seen[got] = name
	}
	for name, change := range map[string]func(d *feature.FeatureTable){
		"description":     func(d *feature.FeatureTable) { d.Description, d.Owner, d.PreventDestroy = "a", "b", true },
		"ttl":             func(d *feature.FeatureTable) { d.TTL = 0 },
		"stores":          func(d *feature.FeatureTable) { d.Online = false },
		"serving index":   func(d *feature.FeatureTable) { d.OnlineServingIndex = []string{"origin"} },
		"place of a key":  func(d *feature.FeatureTable) { d.Schema[0], d.Schema[1] = d.Schema[1], d.Schema[0] },
		"place of a time": func(d *feature.FeatureTable) { d.Schema[2], d.Schema[3] = d.Schema[3], d.Schema[2] },
	} {
		require.Equal(t, tableFingerprint(t, ingested()), tableFingerprint(t, inTable(change)), name)
	}
}
