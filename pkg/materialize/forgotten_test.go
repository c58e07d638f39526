package materialize_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tilery/tilery/pkg/feature"
	"github.com/tilery/tilery/pkg/forget"
)

// Raw rows are held back, not tiles: of a tile that began before the fence's time the
// rows after it count.
func TestRowsThatAreHeldBackAreNotBuilt(t *testing.T) {
	t.Parallel()
	events := []event{
		visit(1, start.Add(hour/2-1), 1), visit(1, start.Add(hour/2), 2), visit(1, start.Add(2*hour), 4),
		visit(2, start, 8),
	}
	for name, view := range map[string]feature.View{
		"tiles": newView(hour, day), "by secondary key": keyedView(hour, day), "rows": newRowView(day),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newMemoryScene(t, view, &events)
			s.engine.Fences = &forget.Store{Bucket: s.bucket}
			all := s.build(oneDay(0))
			fence := forget.Fence{
				Workspace: "prod", View: "spending", ID: "0123456789abcdef0123456789abcdef",
				Keys: view.JoinKeys(), Until: start.Add(hour / 2),
			}
			require.NoError(t, s.engine.Fences.Put(t.Context(), fence, setOf(t, keyOf(1), keyOf(9)).Hashed()))
			s.commit(false, true, s.build(oneDay(0)))
			file := s.snapshot().Files[0]
			if view.Aggregated() {
				var sums []string
				for _, tile := range readTiles(t, s.target, s.table, file) {
					sums = append(sums, tile.columns["sum_n"].String())
				}
				require.Equal(t, []string{"2", "4", "8"}, sums)
			} else {
				require.Len(t, readRows(t, view, s.table, file), 3)
			}
			_, err := s.engine.Fences.Lift(t.Context(), "prod", "spending", fence.ID)
			require.NoError(t, err)
			require.Equal(t, all.Rows, s.build(oneDay(0)).Rows)
		})
	}
}
