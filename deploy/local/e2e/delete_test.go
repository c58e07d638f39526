package e2e_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tilery/tilery/pkg/api"
	"github.com/tilery/tilery/pkg/client"
	"github.com/tilery/tilery/pkg/frame"
)

// Definitions of a view of rows, one of tiles and a feature table, each of users.
const (
	forgetful = `
kind: Entity
name: user
join_keys: [{name: user_id, type: String}]
---
kind: BatchSource
name: visits
batch_config: {uri: visits.csv, file_format: csv, timestamp_field: seen}
schema:
  - {name: seen, type: Timestamp}
  - {name: user_id, type: String}
  - {name: n, type: Int64}
---
kind: BatchFeatureView
name: rows
entities: [user]
sources: [visits]
mode: sql
transformation: visits.sql
timestamp_field: seen
feature_start_time: 2001-01-01
batch_schedule: 1d
online: true
offline: true
---
kind: BatchFeatureView
name: tiles
entities: [user]
sources: [visits]
mode: sql
transformation: visits.sql
timestamp_field: seen
feature_start_time: 2001-01-01
batch_schedule: 1d
aggregation_interval: 1d
aggregations: [{column: n, function: sum, time_window: 30d}]
online: true
offline: true
---
kind: FeatureTable
name: table
entities: [user]
schema:
  - {name: user_id, type: String}
  - {name: seen, type: Timestamp}
  - {name: n, type: Int64}
online: true
offline: true
`
	deletedUsers = 3 // of keptUsers + deletedUsers
	keptUsers    = 5
)

func user(n int) string { return fmt.Sprintf("user-%d", n) }

// visitsRepository has ten days of visits, as text that is a data frame, too.
func visitsRepository(t *testing.T) (dir, visits string) {
	t.Helper()
	dir = t.TempDir()
	visits = "seen,user_id,n\n"
	for day := 1; day <= 10; day++ {
		for n := range keptUsers + deletedUsers {
			visits += fmt.Sprintf("2001-01-%02dT12:00:00Z,%s,%d\n", day, user(n), 100*n+day)
		}
	}
	for name, content := range map[string]string{
		"features.yaml": forgetful, "visits.sql": "SELECT user_id, seen, n FROM visits", "visits.csv": visits,
	} {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600))
	}
	return dir, visits
}

// usersIn are the users who have a value of a view: online, and in historical features
// of all of them.
func usersIn(t *testing.T, s *stack, view string) (online, offline []string) {
	t.Helper()
	c := client.New(s.Endpoints.HTTP)
	spine := "user_id,seen\n"
	for n := range keptUsers + deletedUsers {
		spine += user(n) + ",2001-01-12\n"
		response, err := c.GetFeatures(t.Context(), api.GetFeaturesParams{
			WorkspaceName: "prod", FeatureViewName: view, JoinKeyMap: map[string]any{"user_id": user(n)},
		})
		require.NoError(t, err)
		require.Len(t, response.Result.Features, 1)
		if response.Result.Features[0] != nil {
			online = append(online, user(n))
		}
	}
	file, err := c.HistoricalFile(t.Context(), client.HistoricalRequest{
		Workspace: "prod", View: view, Spine: strings.NewReader(spine), SpineFormat: frame.CSV,
	}, frame.JSON)
	require.NoError(t, err)
	defer file.Close()
	rows := json.NewDecoder(file)
	for rows.More() {
		row := map[string]any{}
		require.NoError(t, rows.Decode(&row))
		for name, value := range row {
			if strings.HasPrefix(name, view+".") && value != nil {
				offline = append(offline, row["user_id"].(string))
			}
		}
	}
	slices.Sort(offline)
	return online, offline
}

func requireUsers(t *testing.T, s *stack, view string, from, to int) {
	t.Helper()
	var want []string
	for n := from; n < to; n++ {
		want = append(want, user(n))
	}
	online, offline := usersIn(t, s, view)
	require.Equal(t, want, online, view)
	require.Equal(t, want, offline, view)
}

// TestKeysAreDeletedFromEveryKindOfView deletes users 0 to 2: by a file and by name on
// the command line, and by a document over HTTP. The others stay as they are, what is
// materialized again brings the deleted back, but for those that are to be forgotten.
func TestKeysAreDeletedFromEveryKindOfView(t *testing.T) {
	repository, visits := visitsRepository(t)
	dir, settings := t.TempDir(), filepath.Join(t.TempDir(), "config.yaml")
	require.NoError(t, os.WriteFile(settings, []byte("online_timeout: 1s\ndeletion: {grace: 1s}\n"), 0o600))
	s := startStackWith(t, dir, "-config", settings, "-source-root", repository, "-clock", "fixed:2001-01-12T00:00:00Z")
	s.tilery(t, "apply", repository, "--yes")
	frameFile := filepath.Join(t.TempDir(), "frame.csv")
	require.NoError(t, os.WriteFile(frameFile, []byte(visits), 0o600))
	s.tilery(t, "ingest", "table", frameFile)
	for _, view := range []string{"rows", "tiles"} {
		s.tilery(t, "materialize", view)
	}
	all := keptUsers + deletedUsers
	for _, view := range []string{"rows", "tiles", "table"} {
		requireUsers(t, s, view, 0, all)
	}

	keys := filepath.Join(t.TempDir(), "keys.csv")
	require.NoError(t, os.WriteFile(keys, []byte("user_id\nuser-0\nuser-1\nuser-2\nuser-1\nnobody\n"), 0o600))
	out := s.tilery(t, "delete-keys", "rows", keys, "--yes", "--wait", "--forget-until", "now")
	require.Contains(t, out, "Deleted 4 keys of rows: 30 rows offline")
	out = s.tilery(t, "delete-keys", "tiles", "-k", "user_id=user-0", "-k", "user_id=user-1", "-k", "user_id=user-2", "--yes", "--wait", "-o", "json")
	var tiles []struct {
		Job  string `json:"job"`
		Rows int64  `json:"rows"`
	}
	require.NoError(t, json.Unmarshal([]byte(out), &tiles), out)
	require.Equal(t, int64(30), tiles[0].Rows)
	job := deleteOverHTTP(t, s, `{"workspace": "prod", "feature_view": "table", "keys": {"user_id": ["user-0", "user-1", "user-2"]}}`)
	waitFor(t, time.Minute, "the deletion has succeeded", func() bool {
		jobs := s.deletions(t, "table")
		return len(jobs) == 1 && jobs[0]["STATUS"] == "SUCCESS"
	})
	for _, view := range []string{"rows", "tiles", "table"} {
		requireUsers(t, s, view, deletedUsers, all)
	}

	row := s.deletions(t, "table")[0]
	require.Equal(t, []string{"DELETION", job}, []string{row["TYPE"], row["MATERIALIZATION_TASK"]})
	require.Contains(t, row["STATE_MESSAGE"], "3 keys: 30 rows of")
	receipt, err := client.New(s.Endpoints.HTTP).DeletionReceipt(t.Context(), "prod", "table", job)
	require.NoError(t, err)
	require.Equal(t, int64(30), receipt.Stores[0].Rows)
	require.Equal(t, int64(10*keptUsers), receipt.Stores[0].VerifiedRows)
	require.NotNil(t, receipt.OldVersionsUntil)
	require.Contains(t, s.tilery(t, "deletion", "receipt", "tiles", tiles[0].Job), "old_versions_until")
	require.Empty(t, files(t, dir, "deletions", ""), "no key stays behind")

	forgotten := s.deletions(t, "rows")[0]["MATERIALIZATION_TASK"]
	for _, view := range []string{"rows", "tiles"} {
		s.tilery(t, "materialize", view, "--overwrite")
	}
	requireUsers(t, s, "rows", deletedUsers, all)
	requireUsers(t, s, "tiles", 0, all)
	lifted := s.tilery(t, "deletion", "lift", "rows", forgotten)
	require.Contains(t, lifted, "lift/prod/rows/"+forgotten)
	waitFor(t, time.Minute, "the view is materialized again", func() bool {
		online, offline := usersIn(t, s, "rows")
		return len(online) == all && len(offline) == all
	})
	s.tilery(t, "ingest", "table", frameFile)
	requireUsers(t, s, "table", 0, all)
	s.stop(t)
}

// deletions is the status table of a view's deletions.
func (s *stack) deletions(t *testing.T, view string) (rows []map[string]string) {
	t.Helper()
	out := s.tilery(t, "deletion-status", view, "--verbose", "-o", "json")
	require.NoError(t, json.Unmarshal([]byte(out), &rows), out)
	return rows
}

func deleteOverHTTP(t *testing.T, s *stack, body string) (job string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.Endpoints.HTTP+api.DeleteKeysPath, strings.NewReader(body))
	require.NoError(t, err)
	answer, err := http.DefaultClient.Do(r)
	require.NoError(t, err)
	defer answer.Body.Close()
	var response api.DeleteKeysResponse
	require.Equal(t, http.StatusOK, answer.StatusCode)
	require.NoError(t, json.NewDecoder(answer.Body).Decode(&response))
	require.Len(t, response.JobIDs, 1)
	return response.JobIDs[0]
}
