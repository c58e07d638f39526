package serve_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tilery/tilery/pkg/api"
	"github.com/tilery/tilery/pkg/serve"
)

var rewrite = flag.Bool("rewrite", false, "write the golden files again")

func requireGolden(t *testing.T, name, body string) {
	t.Helper()
	var indented bytes.Buffer
	require.NoError(t, json.Indent(&indented, []byte(body), "", "  "))
	path := filepath.Join("testdata", name)
	if *rewrite {
		require.NoError(t, os.WriteFile(path, indented.Bytes(), 0o600))
	}
	want, err := os.ReadFile(path)
	require.NoError(t, err)
	require.Equal(t, string(want), indented.String())
}

// pages are Temporal's, of a server whose namespace needs escaping.
var pages = serve.Temporal{UI: "http://127.0.0.1:8233/", Namespace: "team a", JobsQuery: func(workspace, view string) string {
	return "TileryWorkspace = '" + workspace + "' AND TileryFeatureView = '" + view + "'"
}}

const riskYAML = `---
kind: FeatureTable
name: risk
description: Computed elsewhere
tags: {team: money}
entities: [user]
schema:
  - {name: score, type: Float64}
  - {name: user, type: Int64}
  - {name: scored, type: Timestamp}
  - {name: embedding, type: "Array[Float32]"}
ttl: 7d
online: true
offline: true
`

// documented adds what people write about definitions, a table and a service.
func documented(text string) string {
	text = strings.Replace(text, "name: spending\n", "name: spending\ndescription: Money by user\nowner: me@example.com\ntags: {team: money}\n", 1)
	if strings.Contains(text, "kind: Entity") {
		text += riskYAML + "---\nkind: FeatureService\nname: fraud\nprevent_destroy: true\nfeatures:\n" +
			"  - {feature_view: spending, features: [a_label, z_last_hour], join_key_map: {user: buyer}, namespace: money}\n"
	}
	return text
}

func TestObjectsAreDescribed(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	s.apply(0, documented)
	server := s.with(func(o *serve.Options) { o.Temporal = pages })
	for name, kind := range map[string]string{"spending": "", "risk": "", "fraud": "", "events": "BatchSource", "user": "Entity"} {
		status, body := post(t, server, api.DescribePath, api.DescribeRequest{Workspace: "prod", Name: name, Kind: kind})
		require.Equal(t, 200, status, body)
		requireGolden(t, "describe_"+name+".json", body)
	}
}

func TestAViewWithoutPagesHasNoLink(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	s.apply(0, nil)
	status, body := s.post(api.DescribePath, api.DescribeRequest{Workspace: "prod", Name: "spending"})
	require.Empty(t, decode[api.DescribeResponse](t, status, body).FeatureView.URL)
}

func TestWhatCannotBeDescribedIsExplained(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	s.apply(0, nil)
	for _, c := range []struct {
		request api.DescribeRequest
		status  int
		code    api.Code
		text    string
	}{
		{api.DescribeRequest{Workspace: "prod", Name: "nothing"}, 404, api.NotFound, `no object "nothing" in workspace prod at generation 1`},
		{api.DescribeRequest{Workspace: "prod", Name: "spending", Kind: "Entity"}, 404, api.NotFound, `no Entity "spending" in workspace prod at generation 1`},
		{api.DescribeRequest{Workspace: "prod", Name: "spending", Kind: "View"}, 400, api.InvalidArgument,
			`kind "View" is unknown, want one of BatchFeatureView, FeatureTable, FeatureService, BatchSource, Entity`},
		{api.DescribeRequest{Workspace: "other", Name: "spending"}, 404, api.NotFound, `workspace "other": not found in the registry`},
		{api.DescribeRequest{Workspace: "No!", Name: "spending"}, 400, api.InvalidArgument, "bad workspace name"},
	} {
		status, body := s.post(api.DescribePath, c.request)
		requireError(t, c.status, c.code, c.text, status, body)
	}
}
