package registry_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tilery/tilery/pkg/feature/repository"
	"github.com/tilery/tilery/pkg/registry"
)

const (
	lift    = "\nto lift this, set prevent_destroy: false and apply that alone; then plan this change again"
	service = "kind: FeatureService\nname: delays\nfeatures: [airport_delays]\n"
)

// requireRefused plans what is refused in a live workspace and nowhere else.
func (b *bench) requireRefused(want string) {
	b.Helper()
	_, err := b.planner.Plan(b.Context(), "prod", b.files)
	var refused *registry.ProtectedError
	require.ErrorAs(b, err, &refused)
	require.EqualError(b, err, want+lift)
}

func (b *bench) protect(name string) {
	b.edit(definitions, "name: "+name+"\n", "name: "+name+"\nprevent_destroy: true\n")
}

func TestPreventDestroyRefusesWhatDeletesOrRecreates(t *testing.T) {
	b := newBench(t)
	b.protect("airport_delays")
	b.protect("airport")
	b.apply()
	whole := b.files

	b.edit(definitions, "owner: flights@example.com\n", "")
	require.Len(b, b.plan().Changes, 1, "an update destroys nothing")

	b.files = whole
	b.edit(sql, "FROM flights", "FROM flights WHERE delay IS NOT NULL")
	b.requireRefused("BatchFeatureView airport_delays cannot be recreated: it has prevent_destroy: true")
	b.edit(definitions, "name: airport_delays\nprevent_destroy: true\n", "name: airport_delays\n")
	b.requireRefused("BatchFeatureView airport_delays cannot be recreated: it has prevent_destroy: true")

	b.files = []repository.File{{Path: "empty.yaml", Content: "# all gone\n"}}
	b.requireRefused("Entity airport cannot be deleted: it has prevent_destroy: true\n" +
		"BatchFeatureView airport_delays cannot be deleted: it has prevent_destroy: true")
}

func TestPreventDestroyIsLiftedByAnApplyOfItsOwn(t *testing.T) {
	b := newBench(t)
	b.protect("airport_delays")
	b.apply()
	b.edit(definitions, "prevent_destroy: true\n", "")
	b.apply()
	b.edit(sql, "FROM flights", "FROM flights WHERE delay IS NOT NULL")
	require.Equal(b, registry.Recreate, b.plan().Changes[0].Action)
}

func TestPreventDestroyOfAServiceCoversItsViews(t *testing.T) {
	b := newBench(t)
	b.files = append(b.files, repository.File{Path: "service.yaml", Content: service + "prevent_destroy: true\n"})
	b.apply()
	b.edit(definitions, "uri: data/flights-*.parquet", "uri: data/*.parquet")
	b.requireRefused("BatchFeatureView airport_delays cannot be recreated: FeatureService delays uses it and has prevent_destroy: true")
}

func TestPreventDestroyIsOfNoEffectInDevelopment(t *testing.T) {
	b := newBench(t)
	b.protect("airport_delays")
	plan, err := b.planner.Plan(t.Context(), "mine", b.files)
	require.NoError(t, err)
	require.False(t, plan.Live)
	_, err = b.planner.Registry.Apply(t.Context(), "mine", 0, plan.Repository, now)
	require.NoError(t, err)
	b.files = []repository.File{{Path: "empty.yaml", Content: "# all gone\n"}}
	plan, err = b.planner.Plan(t.Context(), "mine", b.files)
	require.NoError(t, err)
	require.Len(t, plan.Changes, 3)
}

func TestServicesArePlannedLikeEverythingElse(t *testing.T) {
	b := newBench(t)
	b.apply()
	b.files = append(b.files, repository.File{Path: "service.yaml", Content: service})
	require.Equal(t, []registry.Change{{Action: registry.Create, Kind: "FeatureService", Name: "delays"}}, b.plan().Changes)
	b.apply()

	b.files[len(b.files)-1].Content = service + "owner: me\n"
	require.Equal(t, []registry.Change{{Action: registry.Update, Kind: "FeatureService", Name: "delays",
		Fields: []registry.FieldChange{{Field: "owner", New: `"me"`}}}}, b.plan().Changes)

	b.files = b.files[:len(b.files)-1]
	require.Equal(t, []registry.Change{{Action: registry.Delete, Kind: "FeatureService", Name: "delays"}}, b.plan().Changes)
}

func TestServicesAreCheckedAgainstTheSchemaThatPlanFound(t *testing.T) {
	b := newBench(t)
	b.files = append(b.files, repository.File{Path: "service.yaml",
		Content: "kind: FeatureService\nname: delays\nfeatures:\n  - feature_view: airport_delays\n    features: [delay_sum_1d_1h]\n"})
	_, err := b.planner.Plan(t.Context(), "prod", b.files)
	var broken *repository.Error
	require.ErrorAs(t, err, &broken)
	require.ErrorContains(t, err, "service.yaml:5: FeatureService delays: features[0].features[0]: ")
}

func TestMovingADefinitionIsAnUpdateOfItsFile(t *testing.T) {
	b := newBench(t)
	b.apply()
	b.files = append([]repository.File(nil), b.files...)
	for i := range b.files {
		if b.files[i].Path == definitions {
			b.files[i].Path = "moved.yaml"
		}
	}
	changes := b.plan().Changes
	require.Len(t, changes, 3)
	for _, c := range changes {
		require.Equal(t, registry.Update, c.Action)
		require.Equal(t, []registry.FieldChange{{Field: "defined_in", Old: `"features.yaml"`, New: `"moved.yaml"`}}, c.Fields)
	}
}

func TestBoundsInTheSQLNeedRunsOfOneWindow(t *testing.T) {
	b := newBench(t)
	b.edit(sql, "FROM flights", "FROM flights WHERE date >= $start_time")
	_, err := b.planner.Plan(t.Context(), "prod", b.files)
	var broken *repository.Error
	require.ErrorAs(t, err, &broken)
	require.ErrorContains(t, err, "transformation: uses $start_time or $end_time, so its result would depend on how a range is split into runs: "+
		"set incremental_backfills: true")
	b.edit(definitions, "mode: sql\n", "mode: sql\nincremental_backfills: true\n")
	require.Len(t, b.plan().Changes, 3)
}
