package registry_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tilery/tilery/pkg/feature"
	"github.com/tilery/tilery/pkg/feature/repository"
	"github.com/tilery/tilery/pkg/registry"
)

const (
	tables = "tables.yaml"
	risk   = `kind: FeatureTable
name: risk
description: Risk by airport
entities: [airport]
schema:
  - {name: origin, type: String}
  - {name: scored, type: Timestamp}
  - {name: score, type: Float64}
online: true
offline: true
`
)

func newTableBench(t *testing.T) *bench {
	b := newBench(t)
	b.files = append(b.files, repository.File{Path: tables, Content: risk})
	return b
}

func (b *bench) tableFingerprint(g registry.Generation) string {
	v, err := g.View("risk")
	require.NoError(b, err)
	fingerprint, err := v.Fingerprint()
	require.NoError(b, err)
	return fingerprint
}

func TestTablesArePlannedAfterViews(t *testing.T) {
	b := newTableBench(t)
	plan := b.plan()
	g := b.apply()
	fingerprint := b.tableFingerprint(g)
	require.Len(t, plan.Changes, 4)
	require.Equal(t, registry.KindView, plan.Changes[2].Kind)
	require.Equal(t, registry.Change{Action: registry.Create, Kind: "FeatureTable", Name: "risk", Fingerprint: fingerprint, Fields: []registry.FieldChange{
		{Field: "description", New: `"Risk by airport"`},
	}}, plan.Changes[3])
	require.Equal(t, registry.ViewStores{Serving: registry.Store{Fingerprint: fingerprint, Generation: 1}}, g.Stores["risk"])
	o, ok := g.Object(registry.KindTable, "risk")
	require.True(t, ok)
	require.Equal(t, now, o.CreatedAt)
	require.Empty(t, b.plan().Changes)

	b.edit(tables, "online: true", "ttl: 7d")
	require.Equal(t, []registry.Change{{Action: registry.Update, Kind: "FeatureTable", Name: "risk", Fingerprint: fingerprint, Fields: []registry.FieldChange{
		{Field: "online", Old: "true"}, {Field: "ttl", New: `"7d"`},
	}}}, b.plan().Changes)
	require.Equal(t, fingerprint, b.apply().Stores["risk"].Serving.Fingerprint)

	b.files = b.files[:len(b.files)-1]
	require.Equal(t, []registry.Change{{Action: registry.Delete, Kind: "FeatureTable", Name: "risk"}}, b.plan().Changes)
	require.NotContains(t, b.apply().Stores, "risk")
}

func TestARecreatedTableServesAtOnce(t *testing.T) {
	b := newTableBench(t)
	begun := time.Now().Add(-time.Second)
	first := b.tableFingerprint(b.apply())
	original := b.files
	b.edit(tables, "score, type: Float64", "score, type: Int64")
	plan := b.plan()
	g := b.apply()
	second := b.tableFingerprint(g)
	require.Len(t, plan.Changes, 1)
	change := plan.Changes[0]
	require.Equal(t, registry.Recreate, change.Action)
	require.Equal(t, registry.KindTable, change.Kind)
	require.Equal(t, second, change.Fingerprint)
	require.Equal(t, registry.FieldChange{Field: "fingerprint", Old: first, New: second}, change.Fields[1])
	require.Equal(t, "serves at once, from an empty store: what was ingested stays with the old store and must be ingested again", change.Note)
	stores := g.Stores["risk"]
	require.Equal(t, registry.Store{Fingerprint: second, Generation: 2}, stores.Serving)
	require.Nil(t, stores.Filling, "nobody could fill it")
	require.Len(t, stores.Retired, 1)
	require.Equal(t, registry.Store{Fingerprint: first, Generation: 1}, stores.Retired[0].Store)
	require.True(t, stores.Retired[0].At.Time().After(begun))
	serving, err := b.planner.Registry.Serving(t.Context(), g)
	require.NoError(t, err)
	v, err := serving.ServingView("risk")
	require.NoError(t, err)
	require.Equal(t, feature.Int64, v.Schema[2].Type)

	b.files = original
	require.Equal(t, "serves at once, from the store that this definition had before: what was ingested since stays with the other store and must be ingested again",
		b.plan().Changes[0].Note)
	stores = b.apply().Stores["risk"]
	require.Equal(t, registry.Store{Fingerprint: first, Generation: 3}, stores.Serving)
	require.Len(t, stores.Retired, 1)
	require.Equal(t, second, stores.Retired[0].Fingerprint)
}

func TestAnotherEntityRecreatesItsTables(t *testing.T) {
	b := newTableBench(t)
	b.files = append(b.files, repository.File{Path: "plane.yaml", Content: "kind: Entity\nname: plane\njoin_keys: [{name: tail, type: String}]\n"})
	b.edit(tables, "entities: [airport]", "entities: [plane]")
	b.edit(tables, "name: origin", "name: tail")
	b.apply()
	b.edit("plane.yaml", "type: String", "type: Int64")
	b.edit(tables, "tail, type: String", "tail, type: Int64")
	changes := b.plan().Changes
	require.Len(t, changes, 2)
	require.Equal(t, registry.Update, changes[0].Action)
	require.Equal(t, registry.Recreate, changes[1].Action)
}

func TestAViewThatBecomesATableIsDeletedAndCreated(t *testing.T) {
	b := newTableBench(t)
	b.edit(tables, "name: risk", "name: hub")
	b.files = append(b.files, repository.File{Path: "view.yaml", Content: `kind: BatchFeatureView
name: risk
entities: [airport]
sources: [flights]
mode: sql
transformation: SELECT origin, date AS scored, delay AS score FROM flights
timestamp_field: scored
feature_start_time: 2001-01-01
batch_schedule: 1d
offline: true
`})
	b.apply()
	b.edit("view.yaml", "delay AS score", "-delay AS score")
	require.NotNil(t, b.apply().Stores["risk"].Filling)

	b.files = b.files[:len(b.files)-1]
	b.edit(tables, "name: hub", "name: risk")
	changes := b.plan().Changes
	require.Len(t, changes, 3)
	fingerprint := changes[2].Fingerprint
	require.Equal(t, []registry.Change{
		{Action: registry.Delete, Kind: "BatchFeatureView", Name: "risk"},
		{Action: registry.Delete, Kind: "FeatureTable", Name: "hub"},
		{Action: registry.Create, Kind: "FeatureTable", Name: "risk", Fingerprint: fingerprint, Fields: []registry.FieldChange{
			{Field: "description", New: `"Risk by airport"`},
		}},
	}, changes)
	stores := b.apply().Stores["risk"]
	require.Equal(t, registry.Store{Fingerprint: fingerprint, Generation: 3}, stores.Serving)
	require.Nil(t, stores.Filling)
	require.Len(t, stores.Retired, 2)
}

func TestPreventDestroyKeepsTables(t *testing.T) {
	b := newTableBench(t)
	b.edit(tables, "name: risk\n", "name: risk\nprevent_destroy: true\n")
	b.apply()
	whole := b.files
	b.edit(tables, "score, type: Float64", "score, type: Int64")
	b.requireRefused("FeatureTable risk cannot be recreated: it has prevent_destroy: true")
	b.files = whole[:len(whole)-1]
	b.requireRefused("FeatureTable risk cannot be deleted: it has prevent_destroy: true")
}

func TestPreventDestroyOfAServiceCoversItsTables(t *testing.T) {
	b := newTableBench(t)
	b.files = append(b.files, repository.File{Path: "service.yaml", Content: "kind: FeatureService\nname: model\nfeatures: [risk]\nprevent_destroy: true\n"})
	b.apply()
	b.edit(tables, "score, type: Float64", "score, type: Int64")
	b.requireRefused("FeatureTable risk cannot be recreated: FeatureService model uses it and has prevent_destroy: true")
}
