package serve_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/apache/arrow/go/v15/arrow/memory"
	"github.com/stretchr/testify/require"

	"github.com/tilery/tilery/pkg/api"
	"github.com/tilery/tilery/pkg/clock"
	"github.com/tilery/tilery/pkg/offline"
	"github.com/tilery/tilery/pkg/registry"
	"github.com/tilery/tilery/pkg/retrieve"
	"github.com/tilery/tilery/pkg/serve"
	"github.com/tilery/tilery/pkg/window"
)

const profileTable = `
---
kind: FeatureTable
name: profile
entities: [user]
schema:
  - {name: user, type: Int64}
  - {name: seen_at, type: Timestamp}
  - {name: score, type: Int64}
ttl: 10d
online: true
offline: true
---
kind: FeatureService
name: fraud
features:
  - spending
  - profile
`

func withProfile(text string) string {
	if strings.HasPrefix(text, "kind:") { // not the SQL
		text += profileTable
	}
	return text
}

// ingest commits a row of the table profile and has the online store follow.
func (s *scene) ingest(user int64, at window.Time, score, sequence int64) {
	s.t.Helper()
	ctx := s.t.Context()
	target, err := s.engine.Target(ctx, "prod", 0, "profile")
	require.NoError(s.t, err)
	table, err := s.engine.Table(ctx, target, start)
	require.NoError(s.t, err)
	writer, err := table.NewAppender(ctx, fmt.Sprint("attempt-", sequence))
	require.NoError(s.t, err)
	b := array.NewRecordBuilder(memory.DefaultAllocator, table.Spec().Schema)
	defer b.Release()
	b.Field(0).(*array.Int64Builder).Append(user)
	b.Field(1).(*array.TimestampBuilder).Append(arrow.Timestamp(at))
	b.Field(2).(*array.Int64Builder).Append(score)
	b.Field(3).(*array.Int64Builder).Append(sequence)
	require.NoError(s.t, writer.Write(b.NewRecord()))
	build, err := writer.Close(ctx)
	require.NoError(s.t, err)
	build.Append = fmt.Sprint("frame-", sequence)
	_, err = table.Commit(ctx, offline.Commit{
		ID: build.Append, Job: "test", Generation: 1, Online: true, Builds: []offline.Build{build},
	})
	require.NoError(s.t, err)
	_, err = s.engine.Apply(ctx, target, table, nil)
	require.NoError(s.t, err)
}

func TestARowOfAFeatureTableIsServedFromItsTimestampUntilItsTTL(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	s.apply(0, withProfile)
	profile := func(now window.Time) (score any, effective window.Time) {
		server := s.with(func(o *serve.Options) { o.Clock = clock.Fixed(now) })
		status, answer := post(t, server, api.GetFeaturesPath,
			`{"params":{"workspaceName":"prod","featureViewName":"profile","joinKeyMap":{"user":"1"},"metadataOptions":{"includeEffectiveTimes":true}}}`)
		require.Equal(t, http.StatusOK, status, answer)
		var response api.GetFeaturesResponse
		require.NoError(t, json.Unmarshal([]byte(answer), &response))
		return response.Result.Features[0], window.FromTime(*response.Metadata.Features[0].EffectiveTime)
	}
	s.ingest(2, start, 9, 1)
	score, effective := profile(start.Add(day))
	require.Nil(t, score)
	require.Equal(t, start.Add(day), effective, "nothing is known of the user now")

	s.ingest(1, start, 5, 3)
	s.ingest(1, start, 4, 2)
	for _, now := range []window.Time{start, start.Add(time.Hour), start.Add(10*day) - 1} {
		score, effective = profile(now)
		require.Equal(t, "5", score)
		require.Equal(t, start, effective)
	}
	score, _ = profile(start.Add(10 * day))
	require.Nil(t, score)
	score, effective = profile(start - window.Time(time.Minute.Microseconds()))
	require.Equal(t, "5", score, "clocks differ")
	require.Equal(t, start, effective)
}

func TestAFeatureTableAndAViewInOneService(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	s.apply(0, withProfile)
	s.write([]event{{user: 1, at: start.Add(day), n: ptr[int64](7)}})
	s.materialize(0, 3)
	ask := `{"params":{"workspaceName":"prod","featureServiceName":"fraud","joinKeyMap":{"user":"1"}}}`
	status, answer := s.post(api.GetFeaturesPath, ask)
	require.Equal(t, http.StatusNotFound, status)
	require.Contains(t, answer, "FeatureView: profile has no materialized data in the online store")
	s.ingest(1, start.Add(95*day), 5, 1)
	status, answer = s.post(api.GetFeaturesPath, ask)
	require.Equal(t, http.StatusOK, status, answer)
	var response api.GetFeaturesResponse
	require.NoError(t, json.Unmarshal([]byte(answer), &response))
	require.Equal(t, "5", response.Result.Features[0], "profile comes before spending")
	require.Len(t, response.Result.Features, 7)
}

func TestAFeatureTableIsNeitherComputedNorRun(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	s.apply(0, withProfile)
	for _, names := range []retrieve.Names{{Workspace: "prod", View: "profile"}, {Workspace: "prod", Service: "fraud"}} {
		_, err := retrieve.ResolveSource(t.Context(), s.engine, names)
		require.ErrorIs(t, err, retrieve.ErrNoSource)
		require.EqualError(t, err, "there is no source to compute from: profile is a feature table, whose rows are ingested")
	}
	target, err := s.engine.Target(t.Context(), "prod", 0, "profile")
	require.NoError(t, err)
	_, err = retrieve.NewRun(target, retrieve.RunRequest{}, start)
	require.ErrorIs(t, err, retrieve.ErrRun)

	_, err = retrieve.Resolve(t.Context(), s.engine, retrieve.Names{Workspace: "prod", View: "profile"}, start)
	require.ErrorIs(t, err, retrieve.ErrNoData, "nothing was ingested yet")
	s.ingest(1, start, 5, 1)
	parts, err := retrieve.Resolve(t.Context(), s.engine, retrieve.Names{Workspace: "prod", View: "profile"}, start)
	require.NoError(t, err)
	require.Len(t, parts, 1)
	_, err = retrieve.Resolve(t.Context(), s.engine, retrieve.Names{Workspace: "prod", View: "nothing"}, start)
	require.ErrorIs(t, err, registry.ErrNotFound)

	views, err := s.engine.OnlineViews(t.Context(), "prod", "")
	require.NoError(t, err)
	require.Len(t, views, 2)
	require.Equal(t, "profile", views[1].View.Name)
}
