package main

import (
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tilery/tilery/pkg/api"
)

const (
	deletionJob = "0123456789abcdef0123456789abcdef"
	receiptJSON = `{"job_id": "` + deletionJob + `", "workspace": "prod", "feature_view": "spending", "online": true, "offline": true,
	"join_keys": [{"name": "user", "type": "Int64"}], "keys": 3, "digest": "d1", "staged_at": "2001-02-03T04:05:06Z", "done_at": "2001-02-03T04:06:07Z",
	"stores": [{"generation": 2, "fingerprint": "f", "online": true, "offline": true, "version": 7, "files": 4, "rows": 100, "cells": 3, "verified_rows": 900, "verified_cells": 50}],
	"datasets": [{"name": "training", "removed": false}], "old_versions_until": "2001-02-10T04:06:07Z"}`
)

// newEraser is a worker that deletes keys.
func newEraser(t *testing.T) *answers {
	t.Helper()
	a := &answers{}
	mux := http.NewServeMux()
	for path, reply := range map[string]string{
		api.DeleteKeysPath:       `{"job_ids": ["` + deletionJob + `"]}`,
		api.DeletionReceiptsPath: `{"receipts": [` + receiptJSON + `]}`,
		api.LiftDeletionPath:     `{"until": "2001-02-03T00:00:00Z", "keys": 3, "job": "lift/prod/spending/` + deletionJob + `"}`,
		api.DeletionStatusPath:   `{"columns": ["TYPE", "STATUS"], "rows": [{"TYPE": "DELETION", "STATUS": "SUCCESS"}]}`,
	} {
		mux.HandleFunc(path, func(w http.ResponseWriter, r *http.Request) {
			body, err := io.ReadAll(r.Body)
			if err != nil {
				http.Error(w, err.Error(), http.StatusBadRequest)
				return
			}
			a.asked, a.bodies = append(a.asked, r.Method+" "+r.URL.RequestURI()), append(a.bodies, string(body))
			_, _ = io.WriteString(w, reply) // what is missing, the reader reports
		})
	}
	a.Server = httptest.NewServer(mux)
	t.Cleanup(a.Close)
	return a
}

func TestKeysAreDeletedByFileOrByName(t *testing.T) {
	t.Parallel()
	server := newEraser(t)
	path := filepath.Join(t.TempDir(), "users.csv")
	require.NoError(t, os.WriteFile(path, []byte("user\n1\n2\n"), 0o600))
	started := "Started " + deletionJob + ", see tilery deletion-status spending\n"

	got := invoke(t, server, "yes\n", "delete-keys", "spending", path)
	require.Equal(t, outcome{0, started, "Delete the keys in " + path + " from spending of workspace prod for good? [y/N]> "}, got)
	got = invoke(t, server, "", "delete-keys", "spending", "-k", "user=1", "--key", "user=,2", "--yes")
	require.Equal(t, 2, got.code, "a value with a comma is a mistake")
	got = invoke(t, server, "", "delete-keys", "routes", "-k", `to="SFO",from=ATL`, "-k", "from=JFK,to=BOS", "--yes",
		"--online=false", "--datasets", "--forget-until", "now", "-o", "json")
	require.Equal(t, 0, got.code, got.errOut)
	require.Equal(t, []any{deletionJob}, requireJSON(t, got.out)["job_ids"])
	got = invoke(t, server, "", "delete-keys", "spending", path, "--yes", "--offline=false", "--forget-until", "2001-02-03")
	require.Equal(t, outcome{0, started, ""}, got)

	require.Equal(t, []string{
		"POST " + api.DeleteKeysPath + "?feature_view=spending&workspace=prod",
		"POST " + api.DeleteKeysPath + "?datasets=true&feature_view=routes&forget_until=now&online=false&workspace=prod",
		"POST " + api.DeleteKeysPath + "?feature_view=spending&forget_until=2001-02-03T00%3A00%3A00Z&offline=false&workspace=prod",
	}, server.asked)
	require.Equal(t, []string{"user\n1\n2\n", "from,to\nATL,\"\"\"SFO\"\"\"\nJFK,BOS\n", "user\n1\n2\n"}, server.bodies)
}

func TestNothingIsDeletedWithoutConsent(t *testing.T) {
	t.Parallel()
	server := newEraser(t)
	for _, answer := range []string{"", "n\n", "spending\n"} {
		got := invoke(t, server, answer, "delete-keys", "spending", "-k", "user=1")
		require.Equal(t, outcome{1, "", "Delete 1 key from spending of workspace prod for good? [y/N]> tilery: nothing is deleted\n"}, got)
	}
	require.Empty(t, server.asked)
}

func TestTheJobOfADeletionIsWaitedFor(t *testing.T) {
	t.Parallel()
	got := invoke(t, newEraser(t), "", "delete-keys", "spending", "-k", "user=1", "--yes", "--wait")
	require.Equal(t, 1, got.code)
	require.Contains(t, got.errOut, deletionJob+" runs on: connect to Temporal at 127.0.0.1:1")
}

func TestKeysThatAreNotNamedRightAreUsageErrors(t *testing.T) {
	t.Parallel()
	for line, want := range map[string]string{
		"delete-keys":                                 "want VIEW, got 0 arguments",
		"delete-keys v":                               "want FILE or --key NAME=VALUE",
		"delete-keys v a.csv b.csv":                   "want at most VIEW FILE, got 3 arguments",
		"delete-keys v a.csv -k a=1":                  "want FILE or --key, not both",
		"delete-keys v a.txt":                         `"a.txt" does not tell its format`,
		"delete-keys v -k a":                          "--key a: want NAME=VALUE, and a file for values with commas",
		"delete-keys v -k a=1,a=2":                    "--key a=1,a=2: a is given twice",
		"delete-keys v -k a=1 -k b=2":                 "--key b=2: want a, as the first key has",
		"delete-keys v -k a=1 --forget-until morning": `--forget-until: time "morning" is not RFC 3339`,
		"deletion-status":                             "want VIEW, got 0 arguments",
		"deletion-status v --limit 0":                 "--limit 0: want 1 to 100000",
		"deletion receipt v":                          "want VIEW JOB, got 1 arguments",
		"deletion lift v":                             "want VIEW JOB, got 1 arguments",
	} {
		got := invoke(t, nil, "", strings.Fields(line)...)
		require.Equal(t, 2, got.code, line)
		require.Contains(t, got.errOut, want, line)
	}
}

func TestDeletionsAreShownAndLifted(t *testing.T) {
	t.Parallel()
	server := newEraser(t)
	got := invoke(t, server, "", "deletion-status", "spending", "--verbose", "--limit", "5", "--errors-only")
	require.Equal(t, outcome{0, "All the displayed times are in UTC time zone\nTYPE      STATUS\nDELETION  SUCCESS\n", ""}, got)
	require.JSONEq(t, `{"workspace": "prod", "feature_view": "spending", "limit": 5, "verbose": true, "errors_only": true}`, server.bodies[0])

	got = invoke(t, server, "", "deletion", "receipt", "spending", deletionJob)
	require.Equal(t, 0, got.code, got.errOut)
	requireGolden(t, "deletion_receipt.txt", got.out)
	require.JSONEq(t, receiptJSON, invoke(t, server, "", "deletion", "receipt", "spending", deletionJob, "-o", "json").out)

	got = invoke(t, server, "", "deletion", "lift", "spending", deletionJob, "--restore=false")
	require.Equal(t, outcome{0, "Rows of 3 keys before 2001-02-03T00:00:00Z are let through again. Materialized again by: lift/prod/spending/" + deletionJob + "\n", ""}, got)
	require.JSONEq(t, `{"workspace": "prod", "feature_view": "spending", "job_id": "`+deletionJob+`", "restore": false}`, server.bodies[len(server.bodies)-1])
	require.Contains(t, invoke(t, server, "", "deletion").out, "receipt")
}
