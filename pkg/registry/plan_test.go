package registry_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tilery/tilery/pkg/feature"
	"github.com/tilery/tilery/pkg/feature/repository"
	"github.com/tilery/tilery/pkg/registry"
	"github.com/tilery/tilery/pkg/transform"
	"github.com/tilery/tilery/pkg/transform/duckdb"
)

// bench plans and applies changes of the flights example.
type bench struct {
	*testing.T
	planner *registry.Planner
	files   []repository.File
}

func newBench(t *testing.T) *bench {
	t.Parallel()
	files, err := repository.Read("../../examples/flights")
	require.NoError(t, err)
	return &bench{t, &registry.Planner{Registry: registry.New(open(t)), Engine: duckdb.Engine{}}, files}
}

// edit replaces text in a file of the repository.
func (b *bench) edit(path, old, by string) {
	i := slices.IndexFunc(b.files, func(f repository.File) bool { return f.Path == path })
	require.Contains(b, b.files[i].Content, old)
	b.files = slices.Clone(b.files)
	b.files[i].Content = strings.Replace(b.files[i].Content, old, by, 1)
}

func (b *bench) plan() registry.Plan {
	plan, err := b.planner.Plan(b.Context(), "prod", b.files)
	require.NoError(b, err)
	return plan
}

func (b *bench) apply() registry.Generation {
	plan := b.plan()
	g, err := b.planner.Registry.Apply(b.Context(), "prod", plan.Base, plan.Repository, now)
	require.NoError(b, err)
	return g
}

func (b *bench) fingerprint(g registry.Generation) string {
	view, err := g.View("airport_delays")
	require.NoError(b, err)
	fingerprint, err := view.Fingerprint()
	require.NoError(b, err)
	return fingerprint
}

const (
	definitions = "features.yaml"
	sql         = "airport_delays.sql"
)

func TestPlanOfAnEmptyWorkspaceCreatesEverything(t *testing.T) {
	b := newBench(t)
	plan := b.plan()
	require.Equal(t, "prod", plan.Workspace)
	require.Zero(t, plan.Base)
	g := b.apply()
	require.Equal(t, []registry.Change{
		{Action: registry.Create, Kind: "Entity", Name: "airport", Fields: []registry.FieldChange{
			{Field: "description", New: `"An airport by its IATA code"`},
		}},
		{Action: registry.Create, Kind: "BatchSource", Name: "flights", Fields: []registry.FieldChange{
			{Field: "description", New: `"Domestic flights of January 2001, one row a flight"`},
		}},
		{Action: registry.Create, Kind: "BatchFeatureView", Name: "airport_delays", Fingerprint: b.fingerprint(g), Fields: []registry.FieldChange{
			{Field: "description", New: `"Flights and their arrival delay by airport of origin"`},
			{Field: "owner", New: `"flights@example.com"`},
		}},
	}, plan.Changes)
	require.Equal(t, feature.Schema{{Name: "origin", Type: feature.String}, {Name: "departure", Type: feature.Timestamp}, {Name: "delay", Type: feature.Int64}},
		g.BatchFeatureViews[0].Schema)
}

func TestPlanOfWhatIsAppliedChangesNothing(t *testing.T) {
	b := newBench(t)
	b.apply()
	plan := b.plan()
	require.Equal(t, int64(1), plan.Base)
	require.Equal(t, []registry.Change{}, plan.Changes)

	slices.Reverse(b.files)
	b.edit(definitions, "# On-time", "# A comment on")
	require.Empty(t, b.plan().Changes)
}

func TestPlanOfWhatIsNotStoredIsAnUpdate(t *testing.T) {
	b := newBench(t)
	fingerprint := b.fingerprint(b.apply())
	b.edit(definitions, "owner: flights@example.com\n", "tags: {team: a}\n")
	b.edit(definitions, "An airport by its IATA code", "An airport")
	b.edit(definitions, "timestamp_field: date\n", "timestamp_field: date\n  data_delay: 2h\n")
	plan := b.plan()
	require.Len(t, plan.Changes, 3)
	require.Equal(t, registry.Change{Action: registry.Update, Kind: "Entity", Name: "airport", Fields: []registry.FieldChange{
		{Field: "description", Old: `"An airport by its IATA code"`, New: `"An airport"`},
	}}, plan.Changes[0])
	require.Equal(t, registry.Update, plan.Changes[1].Action)
	require.Contains(t, plan.Changes[1].Fields[0].New, `"data_delay":"2h"`)
	require.Equal(t, registry.Change{Action: registry.Update, Kind: "BatchFeatureView", Name: "airport_delays", Fingerprint: fingerprint, Fields: []registry.FieldChange{
		{Field: "owner", Old: `"flights@example.com"`},
		{Field: "tags", New: `{"team":"a"}`},
	}}, plan.Changes[2])
	require.Equal(t, fingerprint, b.fingerprint(b.apply()))
}

func TestPlanRefusesAViewWhoseTestsFail(t *testing.T) {
	b := newBench(t)
	b.edit(definitions, "delay_max_1d_1h: 12", "delay_max_1d_1h: 13")
	_, err := b.planner.Plan(t.Context(), "prod", b.files)
	var broken *repository.Error
	require.ErrorAs(t, err, &broken)
	require.ErrorContains(t, err, "expected_features[0]: delay_max_1d_1h is 12, want 13")

	b.edit(definitions, "delay_max_1d_1h: 13", "delay_max_1d_1h: 12")
	require.Empty(t, b.apply().BatchFeatureViews[0].Tests, "tests are not applied")
}

func TestPlanOfAnotherSQLRecreatesTheView(t *testing.T) {
	b := newBench(t)
	before := b.fingerprint(b.apply())
	b.edit(sql, "FROM flights", "FROM flights WHERE delay IS NOT NULL")
	plan := b.plan()
	now := b.fingerprint(b.apply())
	require.NotEqual(t, before, now)
	require.Len(t, plan.Changes, 1)
	change := plan.Changes[0]
	require.Equal(t, registry.Recreate, change.Action)
	require.Equal(t, now, change.Fingerprint)
	require.Len(t, change.Fields, 2)
	require.Equal(t, "transformation", change.Fields[0].Field)
	require.Equal(t, registry.FieldChange{Field: "fingerprint", Old: before, New: now}, change.Fields[1])
}

func TestPlanOfAnotherSourceRecreatesItsViewsAndNoOthers(t *testing.T) {
	b := newBench(t)
	b.files = append(b.files, repository.File{Path: "more/views.yaml", Content: `kind: BatchSource
name: trains
batch_config: {uri: trains.parquet, file_format: parquet, timestamp_field: departs}
schema: [{name: departs, type: Timestamp}, {name: origin, type: String}, {name: late, type: Bool}]
---
kind: BatchFeatureView
name: a_train
entities: [airport]
sources: [trains]
mode: sql
transformation: SELECT origin, departs, late FROM trains
timestamp_field: departs
feature_start_time: 2001-01-01
aggregation_interval: 1h
aggregations: [{column: late, function: count, time_window: 1d}]
`})
	before := b.fingerprint(b.apply())
	b.edit(definitions, "uri: data/flights-*.parquet", "uri: data/*.parquet")
	b.edit("more/views.yaml", "name: a_train", "name: z_train")
	plan := b.plan()
	require.Len(t, plan.Changes, 4)
	require.Equal(t, registry.Update, plan.Changes[0].Action)
	require.Equal(t, "batch_config", plan.Changes[0].Fields[0].Field)
	require.Equal(t, registry.Change{Action: registry.Delete, Kind: "BatchFeatureView", Name: "a_train"}, plan.Changes[1])
	require.Equal(t, registry.Change{Action: registry.Recreate, Kind: "BatchFeatureView", Name: "airport_delays", Fingerprint: plan.Changes[2].Fingerprint,
		Note:   "keeps serving the old store until the new one is filled",
		Fields: []registry.FieldChange{{Field: "fingerprint", Old: before, New: plan.Changes[2].Fingerprint}}}, plan.Changes[2])
	require.Equal(t, registry.Create, plan.Changes[3].Action)
	require.Equal(t, "z_train", plan.Changes[3].Name)
}

func TestPlanOfNothingDeletesEverything(t *testing.T) {
	b := newBench(t)
	b.apply()
	b.files = []repository.File{{Path: "empty.yaml", Content: "# all gone\n"}}
	plan := b.plan()
	require.Equal(t, []registry.Change{
		{Action: registry.Delete, Kind: "Entity", Name: "airport"},
		{Action: registry.Delete, Kind: "BatchSource", Name: "flights"},
		{Action: registry.Delete, Kind: "BatchFeatureView", Name: "airport_delays"},
	}, plan.Changes)
	require.Empty(t, b.apply().BatchFeatureViews)
}

func TestPlanLocatesWhatTheSQLDoesWrong(t *testing.T) {
	const view = "BatchFeatureView airport_delays: "
	for name, c := range map[string]struct {
		sql  string
		want []string // what each line begins with
	}{
		"syntax":         {"SELEC origin FROM flights", []string{"features.yaml:30: " + view + "transformation: SQL cannot run: syntax error at or near"}},
		"no such source": {"SELECT * FROM trains", []string{"features.yaml:30: " + view + `transformation: SQL cannot run: there is no source "trains", only flights`}},
		"no such column": {"SELECT date,\n orig FROM flights", []string{
			"features.yaml:30: " + view + `transformation: Binder Error: Referenced column "orig" not found`,
			`    Candidate bindings: "origin"`,
			"    LINE 2:  orig FROM flights",
			"             ^",
		}},
		"cast": {"SELECT origin, date AS departure, delay, {'a': 1} AS s FROM flights", []string{"features.yaml:30: " + view + `transformation: SQL cannot run: column "s" is of type STRUCT(a INTEGER)`}},
		"columns": {"SELECT destination, delay AS departure, distance, origin = 'ATL' AS delay FROM flights", []string{
			"features.yaml:30: " + view + `transformation: the SQL returns no column "origin" of type String; it returns destination String, departure Int64, distance Int64, delay Bool`,
			"features.yaml:30: " + view + `transformation: the SQL returns "departure" as Int64, want Timestamp: cast it`,
			"features.yaml:37: " + view + `aggregations[1].function: mean takes Int64, Float64, Int32 or Float32, not Bool, the type of "delay"`,
			"features.yaml:38: " + view + `aggregations[2].function: max takes Int64, Float64, Int32 or Float32, or String, not Bool, the type of "delay"`,
		}},
		"no aggregated column": {"SELECT origin, date AS departure FROM flights", []string{
			"features.yaml:36: " + view + `aggregations[0].column: the SQL returns no column "delay", only origin, departure`,
			"features.yaml:37: " + view + `aggregations[1].column: the SQL returns no column "delay", only origin, departure`,
		}},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t)
			i := slices.IndexFunc(b.files, func(f repository.File) bool { return f.Path == sql })
			b.files[i].Content = c.sql
			_, err := b.planner.Plan(t.Context(), "prod", b.files)
			var broken *repository.Error
			require.ErrorAs(t, err, &broken)
			lines := strings.Split(err.Error(), "\n")
			for i, want := range c.want {
				require.True(t, strings.HasPrefix(lines[i], want), "%s", err)
			}
		})
	}
}

func TestPlanTellsADeclaredSchemaThatDiffers(t *testing.T) {
	b := newBench(t)
	b.edit(definitions, "mode: sql\n", "mode: sql\nschema: [{name: origin, type: String}]\n")
	_, err := b.planner.Plan(t.Context(), "prod", b.files)
	require.EqualError(t, err, "features.yaml:30: BatchFeatureView airport_delays: schema: the SQL returns "+
		"origin String, departure Timestamp, delay Int64: leave the schema out or make it the same")
}

func TestPlanChecksTheSecondaryKeyThatTheSQLReturns(t *testing.T) {
	for key, want := range map[string]string{
		"carrier": `the SQL returns no column "carrier", only origin, departure, delay, late`,
		"late":    `the SQL returns "late" as Bool, want String or Int64: cast it`,
	} {
		t.Run(key, func(t *testing.T) {
			b := newBench(t)
			b.edit(sql, "FROM", ", delay > 0 AS late FROM")
			b.edit(definitions, "mode: sql\n", "mode: sql\naggregation_secondary_key: "+key+"\n")
			_, err := b.planner.Plan(t.Context(), "prod", b.files)
			require.EqualError(t, err, "features.yaml:30: BatchFeatureView airport_delays: aggregation_secondary_key: "+want)
		})
	}
}

func TestPlanReportsBrokenDefinitionsBeforeItsEngineRuns(t *testing.T) {
	b := newBench(t)
	b.planner.Engine = nil
	b.edit(definitions, "sources: [flights]", "sources: [trains]")
	_, err := b.planner.Plan(t.Context(), "prod", b.files)
	require.ErrorContains(t, err, `features.yaml:28: BatchFeatureView airport_delays: sources[0]: no source "trains"`)
}

type failing struct {
	transform.Engine
	err error
}

// Describe implements transform.Engine.
func (f failing) Describe(context.Context, string, []transform.Table) (transform.Description, error) {
	return transform.Description{}, f.err
}

func TestAnEngineThatFailsIsNoFaultOfTheDefinitions(t *testing.T) {
	b := newBench(t)
	cause := errors.New("out of disk")
	b.planner.Engine = failing{err: cause}
	_, err := b.planner.Plan(t.Context(), "prod", b.files)
	require.ErrorIs(t, err, cause)
	require.EqualError(t, err, "check the SQL of airport_delays: out of disk")
}
