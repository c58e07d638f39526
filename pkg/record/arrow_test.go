package record_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tilery/tilery/pkg/feature"
	"github.com/tilery/tilery/pkg/record"
)

func TestArrowSchemaKeepsOrderAndTypes(t *testing.T) {
	t.Parallel()
	schema := record.ArrowSchema(feature.Schema{
		{Name: "flag", Type: feature.Bool},
		{Name: "n", Type: feature.Int64},
		{Name: "x", Type: feature.Float64},
		{Name: "id", Type: feature.String},
		{Name: "ts", Type: feature.Timestamp},
		{Name: "small", Type: feature.Int32},
		{Name: "single", Type: feature.Float32},
		{Name: "lists", Type: feature.ArrayOf(feature.ArrayOf(feature.String))},
	})
	want := []string{"flag: bool", "n: int64", "x: float64", "id: utf8", "ts: timestamp[us, tz=UTC]",
		"small: int32", "single: float32", "lists: list<element: list<element: utf8, nullable>, nullable>"}
	require.Len(t, schema.Fields(), len(want))
	for i, f := range schema.Fields() {
		require.Equal(t, want[i], f.Name+": "+f.Type.String())
		require.True(t, f.Nullable)
	}
}

func TestArrowTypeRefusesTheInvalidType(t *testing.T) {
	t.Parallel()
	require.Panics(t, func() { record.ArrowType(feature.InvalidType) })
}
