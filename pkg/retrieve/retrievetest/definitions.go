package retrievetest

import (
	"encoding/json"
	"maps"
	"strings"

	"github.com/stretchr/testify/require"

	"github.com/tilery/tilery/pkg/feature"
	"github.com/tilery/tilery/pkg/feature/repository"
)

// Valid reports whether the view may be defined: what is drawn for joins alone need
// not be servable.
func (v *View) Valid() bool {
	r := feature.Repository{Entities: v.Entities, BatchFeatureViews: []feature.BatchFeatureView{v.BatchFeatureView}}
	for _, s := range v.Sources {
		r.BatchSources = append(r.BatchSources, s.BatchSource)
	}
	return len(r.Validate()) == 0
}

// Definitions returns the view with its entities and sources as people write them.
func (v *View) Definitions(t require.TestingT) []repository.File {
	var documents []string
	add := func(kind string, definition any) {
		data, err := json.Marshal(definition)
		require.NoError(t, err)
		fields := map[string]any{}
		require.NoError(t, json.Unmarshal(data, &fields))
		if kind == "BatchFeatureView" {
			delete(fields, "schema") // plan tells it
		}
		maps.Copy(fields, map[string]any{"kind": kind})
		data, err = json.Marshal(fields)
		require.NoError(t, err)
		documents = append(documents, string(data))
	}
	for _, e := range v.Entities {
		add("Entity", e)
	}
	for _, s := range v.Sources {
		add("BatchSource", s.BatchSource)
	}
	add("BatchFeatureView", v.BatchFeatureView)
	return []repository.File{{Path: "features.yaml", Content: strings.Join(documents, "\n---\n")}}
}
