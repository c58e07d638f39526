package client_test

import (
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tilery/tilery/pkg/api"
	"github.com/tilery/tilery/pkg/client"
	"github.com/tilery/tilery/pkg/frame"
	"github.com/tilery/tilery/pkg/window"
)

func TestKeysAreSentAsAFileOrAsRecords(t *testing.T) {
	t.Parallel()
	var asked, contentType, body string
	server := serve(t, func(w http.ResponseWriter, r *http.Request) {
		data, err := io.ReadAll(r.Body)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		asked, contentType, body = r.Method+" "+r.URL.RequestURI(), r.Header.Get("Content-Type"), string(data)
		_, _ = io.WriteString(w, `{"job_ids": ["a"]}`)
	})
	c := client.New(server.URL)
	until := window.Time(0)
	request := client.DeleteKeysRequest{
		Workspace: "prod", FeatureView: "v", Keys: strings.NewReader("user\n1\n"), Format: frame.CSV,
		SkipOnline: true, Datasets: true, ForgetUntil: &until,
	}
	started, err := c.StartDeleteKeys(t.Context(), request)
	require.NoError(t, err)
	require.Equal(t, []string{"a"}, started.JobIDs)
	require.Equal(t, "POST "+api.DeleteKeysPath+"?datasets=true&feature_view=v&forget_until=1970-01-01T00%3A00%3A00Z&online=false&workspace=prod", asked)
	require.Equal(t, []string{"text/csv", "user\n1\n"}, []string{contentType, body})

	require.NoError(t, c.DeleteKeys(t.Context(), client.DeleteKeysRequest{
		Workspace: "prod", FeatureView: "v", Records: records(t), SkipOffline: true, ForgetNow: true,
	}))
	require.Equal(t, "POST "+api.DeleteKeysPath+"?feature_view=v&forget_until=now&offline=false&workspace=prod", asked)
	require.Equal(t, []string{frame.Arrow.MediaType(), string(stream(t))}, []string{contentType, body})
}

func TestKeysThatAreRefusedAreTheServersError(t *testing.T) {
	t.Parallel()
	server := serve(t, answer(http.StatusBadRequest, `{"message": "no keys", "code": 3}`))
	var failed *api.Error
	require.ErrorAs(t, client.New(server.URL).DeleteKeys(t.Context(), client.DeleteKeysRequest{Keys: strings.NewReader("")}), &failed)
	require.Equal(t, api.InvalidArgument, failed.Code)
}

func TestReceiptsAreAskedFor(t *testing.T) {
	t.Parallel()
	asked, reply := "", ""
	server := serve(t, func(w http.ResponseWriter, r *http.Request) {
		asked = r.Method + " " + r.URL.RequestURI()
		_, _ = io.WriteString(w, reply)
	})
	c := client.New(server.URL)
	reply = `{"receipts": [{"job_id": "a", "keys": 3, "stores": [{"rows": 7}]}]}`
	receipt, err := c.DeletionReceipt(t.Context(), "prod", "v", "a")
	require.NoError(t, err)
	require.Equal(t, int64(7), receipt.Stores[0].Rows)
	require.Equal(t, "GET "+api.DeletionReceiptsPath+"?feature_view=v&job_id=a&workspace=prod", asked)
	receipts, err := c.DeletionReceipts(t.Context(), "prod", "v", 5)
	require.NoError(t, err)
	require.Len(t, receipts, 1)
	require.Equal(t, "GET "+api.DeletionReceiptsPath+"?feature_view=v&limit=5&workspace=prod", asked)

	reply = `{"receipts": []}`
	_, err = c.DeletionReceipt(t.Context(), "prod", "v", "a")
	require.ErrorContains(t, err, "answered with 0 receipts")

	reply = `{"until": "2001-02-03T00:00:00Z", "keys": 3, "job": "lift/prod/v/a"}`
	lifted, err := c.LiftDeletion(t.Context(), api.LiftDeletionRequest{Workspace: "prod", FeatureView: "v", JobID: "a"})
	require.NoError(t, err)
	require.Equal(t, "lift/prod/v/a", lifted.Job)
	require.Equal(t, "POST "+api.LiftDeletionPath, asked)

	reply = `{"columns": ["TYPE"], "rows": [{"TYPE": "DELETION"}]}`
	status, err := c.DeletionStatus(t.Context(), api.DeletionStatusRequest{Workspace: "prod", FeatureView: "v"})
	require.NoError(t, err)
	require.Len(t, status.Rows, 1)
	require.Equal(t, "POST "+api.DeletionStatusPath, asked)
}
