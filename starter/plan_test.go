package main

import (
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tilery/tilery/pkg/api"
)

const (
	plannedJSON = `{"workspace": "prod", "live": true, "base_generation": 3, "changes": [
		{"action": "CREATE", "kind": "Entity", "name": "airport", "fields": [{"field": "description", "new": "\"An airport\""}]},
		{"action": "UPDATE", "kind": "BatchSource", "name": "flights", "fields": [
			{"field": "defined_in", "old": "\"a.yaml\"", "new": "\"b.yaml\""}, {"field": "owner", "old": "\"me\""}, {"field": "tags", "new": "{\"a\":\"b\"}"}]},
		{"action": "RECREATE", "kind": "BatchFeatureView", "name": "delays", "fingerprint": "b2",
			"note": "keeps serving the old store until the new one is filled", "fields": [
			{"field": "transformation", "old": "\"SELECT 1\"", "new": "\"SELECT\\n2\""}, {"field": "fingerprint", "old": "a1", "new": "b2"}]},
		{"action": "DELETE", "kind": "BatchFeatureView", "name": "old"}],
	"costs": [
		{"view": "delays", "wanted": {"start": "2000-12-25T00:00:00Z", "end": "2001-02-01T00:00:00Z"}, "windows": 38, "queries": 11,
			"backfills": [
				{"range": {"start": "2000-12-25T00:00:00Z", "end": "2001-01-25T00:00:00Z"}, "windows": 31, "queries": 10, "online": false},
				{"range": {"start": "2001-01-25T00:00:00Z", "end": "2001-02-01T00:00:00Z"}, "windows": 7, "queries": 1, "online": true}],
			"scan": {"files": 3, "rows": 1234567, "bytes": 12345678, "rows_known": true, "estimated": true},
			"online_writes": {"at_most": 45678, "known": true, "how": "one for each row of flights from 2001-01-25T00:00:00Z to 2001-02-01T00:00:00Z"},
			"incremental": {"every": "1d", "delay": "2h", "online": true}},
		{"view": "others", "wanted": {"start": "2001-01-01T00:00:00Z", "end": "2001-02-01T00:00:00Z"}, "windows": 2, "queries": 2,
			"backfills": [
				{"range": {"start": "2001-01-01T00:00:00Z", "end": "2001-01-02T00:00:00Z"}, "windows": 1, "queries": 1, "online": false},
				{"range": {"start": "2001-01-30T00:00:00Z", "end": "2001-01-31T00:00:00Z"}, "windows": 1, "queries": 1, "online": false}],
			"per_window": "incremental_backfills is true",
			"scan": {"files": 1, "rows": 0, "bytes": 100, "rows_known": false, "estimated": false},
			"online_writes": {"at_most": 0, "known": false, "how": "how many rows the source has is not known before it is read"},
			"warnings": ["source flights: none.csv: source has no files"]}]}`
	printedPlan = `Plan for live workspace prod, now at generation 3:
↓↓↓↓↓↓↓↓↓↓↓↓ Plan Start ↓↓↓↓↓↓↓↓↓↓

  + Create Entity
    name:            airport
    description:     An airport

  ~ Update BatchSource
    name:            flights
    defined_in:      a.yaml -> b.yaml (of no consequence)
    owner:           me -> (none)
    tags:            (none) -> {"a":"b"}

  ~ Recreate BatchFeatureView
    name:            delays
    transformation:  SELECT 1 -> "SELECT\n2"
    fingerprint:     a1 -> b2
    materialization: 11 queries of 38 windows to backfill, 1 recurring batch job
    > backfill:      10 queries from 2000-12-25 00:00:00 UTC to 2001-01-25 00:00:00 UTC writing to the Offline Store
                     1 query from 2001-01-25 00:00:00 UTC to 2001-02-01 00:00:00 UTC writing to both the Online and Offline Store
                     start it with: tilery materialize delays
    > reads:         3 files, about 1,234,567 rows and 11.8 MiB in all queries
    > online writes: at most 45,678: one for each row of flights from 2001-01-25T00:00:00Z to 2001-02-01T00:00:00Z
    > incremental:   1 Recurring Batch job scheduled every 1d, 2h after the end of a window, writing to both the Online and Offline Store
    note:            keeps serving the old store until the new one is filled

  - Delete BatchFeatureView
    name:            old

    Unchanged BatchFeatureView, whose source changes
    name:            others
    materialization: 2 queries of 2 windows to backfill, no recurring job
    > backfill:      1 query from 2001-01-01 00:00:00 UTC to 2001-01-02 00:00:00 UTC writing to the Offline Store
                     1 query from 2001-01-30 00:00:00 UTC to 2001-01-31 00:00:00 UTC writing to the Offline Store
                     one query a window: incremental_backfills is true
                     start it with: tilery materialize others --start 2001-01-01T00:00:00Z --end 2001-01-02T00:00:00Z
                     start it with: tilery materialize others --start 2001-01-30T00:00:00Z --end 2001-01-31T00:00:00Z
    > reads:         1 file, an unknown number of rows and 100 B in all queries
    > online writes: not bounded: how many rows the source has is not known before it is read
    warning:         source flights: none.csv: source has no files

↑↑↑↑↑↑↑↑↑↑↑↑ Plan End ↑↑↑↑↑↑↑↑↑↑↑↑
Generated plan ID is `
	consequences = `
Backfills of all views together: 13 queries of 40 windows, reading about 1,234,567 rows and 11.8 MiB.
Apply starts no backfill: the commands above do. Schedules start incremental jobs, each of which fills the 64 newest windows that are missing.
`
	unchanged   = `{"workspace": "prod", "live": true, "base_generation": 3, "changes": [], "costs": []}`
	appliedJSON = `{"workspace": "prod", "live": true, "base_generation": 3, "changes": [], "generation": 4}`
	question    = "Are you sure you want to apply this plan? [y/N]> "
)

// requirePlan checks a printed plan and returns what follows it.
func requirePlan(t *testing.T, out string) string {
	t.Helper()
	require.True(t, strings.HasPrefix(out, printedPlan), "%s", out)
	id, rest, _ := strings.Cut(strings.TrimPrefix(out, printedPlan), "\n")
	require.Regexp(t, "^[0-9a-f]{32}$", id)
	require.True(t, strings.HasPrefix("\n"+rest, consequences), "%s", rest)
	return strings.TrimPrefix("\n"+rest, consequences)
}

func TestPlansOfTablesHaveNoBackfill(t *testing.T) {
	t.Parallel()
	const changes = `"base_generation": 1, "costs": [], "changes": [
		{"action": "CREATE", "kind": "FeatureTable", "name": "new", "fingerprint": "a1"},
		{"action": "UPDATE", "kind": "FeatureTable", "name": "longer", "fingerprint": "b2", "fields": [{"field": "ttl", "old": "\"1d\"", "new": "\"2d\""}]},
		{"action": "RECREATE", "kind": "FeatureTable", "name": "other", "fingerprint": "c4", "note": "serves at once, from an empty store",
			"fields": [{"field": "fingerprint", "old": "c3", "new": "c4"}]}]}`
	server := serve(t, map[string]string{api.PlanPath: `{"workspace": "prod", "live": true, ` + changes})
	got := invoke(t, server, "", "plan", "../examples/flights")
	require.Equal(t, 0, got.code, got.errOut)
	_, printed, _ := strings.Cut(got.out, "\n\n")
	printed, after, _ := strings.Cut(printed, "\n↑")
	require.Equal(t, `  + Create FeatureTable
    name:            new
    materialization: no backfill, no recurring job: data frames are ingested

  ~ Update FeatureTable
    name:            longer
    ttl:             1d -> 2d

  ~ Recreate FeatureTable
    name:            other
    fingerprint:     c3 -> c4
    materialization: no backfill, no recurring job: data frames are ingested
    note:            serves at once, from an empty store
`, printed)
	require.NotContains(t, after, "backfill")

	server.replies[api.PlanPath] = `{"workspace": "mine", "live": false, ` + changes
	require.NotContains(t, invoke(t, server, "", "plan", "../examples/flights", "-w", "mine").out, "ingested")
}

func TestPlanIsPrinted(t *testing.T) {
	t.Parallel()
	server := serve(t, map[string]string{api.PlanPath: plannedJSON})
	got := invoke(t, server, "", "plan", "../examples/flights", "-w", "prod")
	require.Equal(t, 0, got.code, got.errOut)
	require.Empty(t, requirePlan(t, got.out))
	require.Equal(t, got, invoke(t, server, "", "plan", "../examples/flights"), "the same plan has the same id")
	var sent api.PlanRequest
	require.NoError(t, json.Unmarshal([]byte(server.bodies[0]), &sent))
	require.Equal(t, "prod", sent.Workspace)
	require.Len(t, sent.Files, 2)

	server.replies[api.PlanPath] = unchanged
	require.Equal(t, outcome{0, "Workspace prod is up to date with generation 3.\n", ""}, invoke(t, server, "", "plan", "../examples/flights"))
}

func TestPlanInJSONHasEverything(t *testing.T) {
	t.Parallel()
	server := serve(t, map[string]string{api.PlanPath: unchanged})
	got := requireJSON(t, invoke(t, server, "", "plan", "../examples/flights", "-o", "json").out)
	require.Len(t, got["plan_id"], 32)
	delete(got, "plan_id")
	require.Equal(t, requireJSON(t, unchanged), got)

	server.replies[api.PlanPath] = plannedJSON
	got = requireJSON(t, invoke(t, server, "", "plan", "../examples/flights", "-o", "json").out)
	require.Equal(t, requireJSON(t, plannedJSON)["changes"], got["changes"])
	require.Equal(t, 38.0, got["costs"].([]any)[0].(map[string]any)["windows"])
}

func TestPlanOfADevelopmentWorkspaceSaysSo(t *testing.T) {
	t.Parallel()
	server := serve(t, map[string]string{api.PlanPath: `{"workspace": "mine", "base_generation": 0, "costs": [],
		"changes": [{"action": "CREATE", "kind": "Entity", "name": "airport"}]}`})
	got := invoke(t, server, "", "plan", "../examples/flights", "-w", "mine")
	require.Contains(t, got.out, "Plan for development workspace mine, now at generation 0:")
	require.Contains(t, got.out, "\nmine is a development workspace: nothing of it is ever materialized.\n")
}

func TestWhatTheServerRefusesIsExplained(t *testing.T) {
	t.Parallel()
	server := serve(t, map[string]string{api.PlanPath: `{"message": "features.yaml:30: no such column\n    LINE 1", "code": 3}`})
	server.status = http.StatusBadRequest
	for _, command := range []string{"plan", "apply"} {
		require.Equal(t, outcome{1, "", "tilery: ../examples/flights cannot be used:\nfeatures.yaml:30: no such column\n    LINE 1\n"},
			invoke(t, server, "", command, "../examples/flights"))
	}
	server.replies[api.PlanPath] = `{"message": "Timed out", "code": 4}`
	require.Equal(t, outcome{1, "", "tilery: Timed out\n"}, invoke(t, server, "", "plan", "../examples/flights"))
}

func TestApplyAsks(t *testing.T) {
	t.Parallel()
	both := []string{api.PlanPath, api.ApplyPath}
	for answer, agreed := range map[string]bool{
		"y\n": true, "Y\n": true, " yes \n": true, "y": true,
		"\n": false, "": false, "n\n": false, "yy\n": false, "no\ny\n": false, strings.Repeat(" ", 2000) + "y\n": false,
	} {
		server := serve(t, map[string]string{api.PlanPath: plannedJSON, api.ApplyPath: appliedJSON})
		got := invoke(t, server, answer, "apply", "../examples/flights")
		rest := requirePlan(t, got.out)
		if !agreed {
			require.Equal(t, outcome{1, "", question + "tilery: not applied\n"}, outcome{got.code, rest, got.errOut}, "%q", answer)
			require.Equal(t, both[:1], server.asked)
			continue
		}
		require.Equal(t, outcome{0, "Applied as generation 4.\n", question}, outcome{got.code, rest, got.errOut}, "%q", answer)
		require.Equal(t, both, server.asked)
		require.Equal(t, 3.0, requireJSON(t, server.bodies[1])["base_generation"])
	}
}

func TestApplyDoesNotAskInVain(t *testing.T) {
	t.Parallel()
	server := serve(t, map[string]string{api.PlanPath: plannedJSON, api.ApplyPath: appliedJSON})
	got := invoke(t, server, "", "apply", "../examples/flights", "--yes")
	require.Equal(t, outcome{0, "Applied as generation 4.\n", ""}, outcome{got.code, requirePlan(t, got.out), got.errOut})

	server.replies[api.PlanPath] = unchanged
	require.Equal(t, outcome{0, "Workspace prod is up to date with generation 3.\n", ""}, invoke(t, server, "", "apply", "../examples/flights"))
}

func TestApplyInJSONShowsThePlanWhereItAsks(t *testing.T) {
	t.Parallel()
	server := serve(t, map[string]string{api.PlanPath: plannedJSON, api.ApplyPath: appliedJSON})
	got := invoke(t, server, "y\n", "apply", "../examples/flights", "-o", "json")
	require.Equal(t, question, requirePlan(t, got.errOut))
	require.Equal(t, requireJSON(t, appliedJSON), requireJSON(t, got.out))
}

// saved is a directory with a repository, and the file of its plan.
func saved(t *testing.T, server *answers) (directory, plan string) {
	t.Helper()
	directory, plan = t.TempDir(), filepath.Join(t.TempDir(), "flights.plan")
	for _, name := range []string{"features.yaml", "airport_delays.sql"} {
		data, err := os.ReadFile(filepath.Join("../examples/flights", name))
		require.NoError(t, err)
		require.NoError(t, os.WriteFile(filepath.Join(directory, name), data, 0o600))
	}
	got := invoke(t, server, "", "plan", directory, "--out", plan)
	require.Equal(t, 0, got.code, got.errOut)
	return directory, plan
}

func TestASavedPlanIsAppliedIfNothingChanged(t *testing.T) {
	t.Parallel()
	server := serve(t, map[string]string{api.PlanPath: plannedJSON, api.ApplyPath: appliedJSON})
	_, plan := saved(t, server)
	// What it costs depends on the time of asking.
	server.replies[api.PlanPath] = strings.Replace(plannedJSON, `"rows": 0`, `"rows": 1`, 1)
	for _, args := range [][]string{{"apply", plan, "--yes"}, {"apply", "--plan", plan, "--yes"}, {"apply", "--plan", plan, "--yes", "-w", "prod"}} {
		got := invoke(t, server, "", args...)
		require.Equal(t, 0, got.code, got.errOut)
		require.Contains(t, got.out, "Applied as generation 4.\n")
	}
	got := invoke(t, server, "", "apply", plan, "-w", "staging")
	require.Equal(t, outcome{2, "", "tilery: --workspace staging: the plan is for workspace prod\n"}, got)
}

func TestASavedPlanIsRefusedAfterAChange(t *testing.T) {
	t.Parallel()
	server := serve(t, map[string]string{api.PlanPath: plannedJSON, api.ApplyPath: appliedJSON})
	directory, plan := saved(t, server)
	refused := func(want string) {
		t.Helper()
		require.Equal(t, outcome{1, "", "tilery: " + want + "\n"}, invoke(t, server, "", "apply", plan, "--yes"))
		require.NotContains(t, server.asked, api.ApplyPath)
	}
	server.replies[api.PlanPath] = strings.Replace(plannedJSON, `"base_generation": 3`, `"base_generation": 4`, 1)
	refused("workspace prod is at generation 4, by an apply or a store that began to serve, the plan was made against 3: plan again")
	server.replies[api.PlanPath] = strings.Replace(plannedJSON, `"new": "b2"`, `"new": "c3"`, 1)
	refused("the server makes other changes of the same files now: plan again")
	server.replies[api.PlanPath] = plannedJSON
	require.NoError(t, os.WriteFile(filepath.Join(directory, "more.sql"), []byte("SELECT 1"), 0o600))
	refused(directory + " has changed since the plan was made: plan again")
	require.NoError(t, os.RemoveAll(directory))
	refused("read feature repository " + directory + ": stat .: no such file or directory")
}

func TestFilesThatAreNoSavedPlanAreExplained(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "plan")
	for content, want := range map[string]string{
		"kind: Entity\n": "saved plan " + path + ": is it from tilery plan --out?: invalid character 'k' looking for beginning of value",
		`{"format": 2}`:  "saved plan " + path + " has format 2, this version of tilery knows 1: plan again",
	} {
		require.NoError(t, os.WriteFile(path, []byte(content), 0o600))
		require.Equal(t, outcome{1, "", "tilery: " + want + "\n"}, invoke(t, nil, "", "apply", path))
	}
	got := invoke(t, nil, "", "apply", "--plan", filepath.Join(t.TempDir(), "missing"))
	require.Equal(t, 1, got.code)
	require.Contains(t, got.errOut, "tilery: saved plan: stat ")
}

func TestAPlanThatCannotBeSavedIsAnError(t *testing.T) {
	t.Parallel()
	server := serve(t, map[string]string{api.PlanPath: plannedJSON})
	got := invoke(t, server, "", "plan", "../examples/flights", "--out", t.TempDir())
	require.Equal(t, 1, got.code)
	require.Contains(t, got.errOut, "tilery: save plan: ")
}
