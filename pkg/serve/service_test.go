package serve_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tilery/tilery/pkg/api"
	"github.com/tilery/tilery/pkg/feature/repository"
	"github.com/tilery/tilery/pkg/materialize"
	"github.com/tilery/tilery/pkg/offline"
	"github.com/tilery/tilery/pkg/online"
	"github.com/tilery/tilery/pkg/serve"
	"github.com/tilery/tilery/pkg/window"
)

// latestYAML adds to testdata a view that stores rows, one with a wildcard, and services.
const latestYAML = `
kind: BatchFeatureView
name: latest
entities: [user]
sources: [events]
mode: sql
transformation: SELECT user, ts, n, CAST(amount AS DOUBLE) AS amount, label, n > 0 AS flag, ts AS seen FROM events
timestamp_field: ts
feature_start_time: 2001-01-04T12:00:00Z
batch_schedule: 1d
ttl: 2d
online: true
offline: true
---
kind: Entity
name: tag
join_keys: [{name: label, type: String}]
---
kind: BatchFeatureView
name: tagged
entities: [user, tag]
sources: [events]
mode: sql
transformation: SELECT user, label, ts, n FROM events
timestamp_field: ts
feature_start_time: 2001-01-04
batch_schedule: 1d
online_serving_index: [user]
online: true
offline: true
---
kind: FeatureService
name: all
features: [spending, latest]
---
kind: FeatureService
name: pair
features:
  - {feature_view: spending, features: [a_label, n_count_1d_1h], namespace: z, join_key_map: {user: sender}}
  - {feature_view: latest, features: [n], namespace: to, join_key_map: {user: recipient}}
  - {feature_view: latest, features: [label, amount], namespace: by, join_key_map: {user: sender}}
---
kind: FeatureService
name: tags
features: [tagged]
`

// newServices returns a scene with latestYAML, where nothing is materialized.
func newServices(t testing.TB, events ...event) *scene {
	t.Helper()
	s := newScene(t)
	files := append(s.definitions(nil), repository.File{Path: "latest.yaml", Content: latestYAML})
	status, body := s.post(api.ApplyPath, api.ApplyRequest{PlanRequest: api.PlanRequest{Workspace: "prod", Files: files}})
	require.Equal(t, http.StatusOK, status, body)
	s.write(events)
	return s
}

// fill materializes days of views, in both stores.
func (s *scene) fill(from, to int, views ...string) {
	s.t.Helper()
	for _, view := range views {
		target, table := s.commit(view, from, to)
		_, err := s.engine.Apply(s.t.Context(), target, table, nil)
		require.NoError(s.t, err)
	}
}

// commit materializes days of a view offline.
func (s *scene) commit(view string, from, to int) (*materialize.Target, offline.Table) {
	s.t.Helper()
	ctx := s.t.Context()
	target, err := s.engine.Target(ctx, "prod", 0, view)
	require.NoError(s.t, err)
	table, err := s.engine.Table(ctx, target, start)
	require.NoError(s.t, err)
	s.builds++
	builds, err := s.engine.Build(ctx, target, table, materialize.BuildRequest{
		Range:  window.Interval{Start: start.Add(time.Duration(from) * day), End: start.Add(time.Duration(to) * day)},
		ReadAt: start + window.Time(s.builds), Attempt: fmt.Sprint(s.builds),
	})
	require.NoError(s.t, err)
	_, err = table.Commit(ctx, offline.Commit{
		ID: fmt.Sprint("commit-", s.builds), Job: "test", Generation: 1, Overwrite: true, Online: true, Builds: builds,
	})
	require.NoError(s.t, err)
	return target, table
}

const described = `,"metadataOptions":{"includeNames":true,"includeEffectiveTimes":true,"includeDataTypes":true,"includeServingStatus":true}`

// latest asks for a row of a user.
func latest(user int64, more string) string {
	return strings.Replace(ask(user, more), "spending", "latest", 1)
}

func TestARowOfEveryTypeIsServedWithItsEffectiveTime(t *testing.T) {
	t.Parallel()
	noon := start.Add(12 * time.Hour)
	s := newServices(t,
		event{user: 1, at: noon - 1, n: ptr(int64(8))},
		event{user: 1, at: noon + 1, n: ptr(int64(-7)), amount: ptr("nan"), label: ptr("<x>")},
		event{user: 2, at: noon},
		event{user: 3, at: noon - 1, n: ptr(int64(9))}, // before feature_start_time
	)
	s.fill(0, 1, "latest")
	metadata := func(status, effective string) string {
		var all []string
		for _, f := range [][2]string{{"amount", "float64"}, {"flag", "boolean"}, {"label", "string"}, {"n", "int64"}, {"seen", "string"}} {
			all = append(all, `{"name":"latest.`+f[0]+`","effectiveTime":"`+effective+`","dataType":{"type":"`+f[1]+`"},"status":"`+status+`"}`)
		}
		return strings.Join(all, ",")
	}
	const dayEnd = "2001-01-05T02:00:00Z" // the end of the row's day, and data_delay
	for user, want := range map[int64][2]string{
		1: {`"NaN",false,"\u003cx\u003e","-7","2001-01-04T12:00:00.000001Z"`, metadata("PRESENT", dayEnd)},
		2: {`null,null,null,null,"2001-01-04T12:00:00Z"`, metadata("PRESENT", dayEnd)},
		3: {`null,null,null,null,null`, metadata("MISSING_DATA", dayEnd)},
		4: {`null,null,null,null,null`, metadata("MISSING_DATA", dayEnd)},
	} {
		status, body := s.post(api.GetFeaturesPath, latest(user, described))
		require.Equal(t, 200, status)
		require.Equal(t, `{"result":{"features":[`+want[0]+`]},"metadata":{"features":[`+want[1]+"]}}\n", body, "user %d", user)
	}
}

// naiveRow is what a join at a spine time finds: effective times, ttl and
// feature_start_time as defined, one after the other over all events.
func naiveRow(events []event, user int64, spine window.Time) *event {
	effective := func(at window.Time) window.Time { return at.Floor(day).Add(day + 2*time.Hour) }
	var found *event
	for i, e := range events {
		if e.user == user && effective(e.at) <= spine && (found == nil || e.at > found.at) {
			found = &events[i]
		}
	}
	if found == nil || found.at < start.Add(12*time.Hour) || spine >= effective(found.at.Add(2*day)) {
		return nil
	}
	return found
}

func TestRowsAreServedAsAJoinAtTheirEffectiveTimeFindsThem(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(1, 2))
	var events []event
	for range 40 {
		events = append(events, event{
			user: r.Int64N(12), at: start + window.Time(r.Int64N(int64(8*day/time.Microsecond))), n: ptr(r.Int64N(1000)),
		})
	}
	s := newServices(t, events...)
	missing := 0
	for d := 1; d <= 8; d++ {
		s.fill(d-1, d, "latest")
		edge := start.Add(time.Duration(d)*day + 2*time.Hour)
		for user := range int64(13) {
			_, body := s.post(api.GetFeaturesPath, latest(user, described))
			var got api.GetFeaturesResponse
			require.NoError(t, json.Unmarshal([]byte(body), &got))
			value, n := got.Result.Features[3], got.Metadata.Features[3]
			for _, spine := range []window.Time{edge, window.FromTime(*n.EffectiveTime)} {
				row := naiveRow(events, user, spine)
				require.Equal(t, row != nil, n.Status == api.Present, "user %d at edge %v, join at %v", user, edge, spine)
				if row == nil {
					require.Nil(t, value)
					missing++
					continue
				}
				require.Equal(t, fmt.Sprint(*row.n), value)
			}
		}
	}
	require.Greater(t, missing, 20)
}

func TestARowThatVanishesOfflineIsNotServed(t *testing.T) {
	t.Parallel()
	s := newServices(t, event{user: 1, at: start.Add(13 * time.Hour), n: ptr(int64(1))}, event{user: 1, at: start.Add(25 * time.Hour), n: ptr(int64(2))})
	s.fill(0, 2, "latest")
	value := func() string {
		_, body := s.post(api.GetFeaturesPath, latest(1, ""))
		return strings.Split(body, ",")[3]
	}
	require.Equal(t, `"2"`, value())
	s.write([]event{{user: 1, at: start.Add(13 * time.Hour), n: ptr(int64(1))}})
	s.fill(1, 2, "latest")
	require.Equal(t, `"1"`, value())
	s.write(nil)
	s.fill(0, 1, "latest")
	require.Equal(t, `null`, value())
}

// withoutStatus is a store whose status cannot be written, as after a crash.
type withoutStatus struct{ online.Store }

func (w withoutStatus) Write(ctx context.Context, writes []online.Write) ([]bool, error) {
	if writes[0].Key.Kind == online.KindStatus {
		return nil, errors.New("crash")
	}
	return w.Store.Write(ctx, writes)
}

func TestARowThatIsNewerThanTheStatusHasItsEffectiveTime(t *testing.T) {
	t.Parallel()
	s := newServices(t, event{user: 1, at: start.Add(13 * time.Hour), n: ptr(int64(1))}, event{user: 1, at: start.Add(25 * time.Hour), n: ptr(int64(2))})
	s.fill(0, 1, "latest")
	target, table := s.commit("latest", 1, 2)
	crashing := *s.engine
	crashing.Online = withoutStatus{s.engine.Online}
	_, err := crashing.Apply(t.Context(), target, table, nil)
	require.Error(t, err)
	_, body := s.post(api.GetFeaturesPath, latest(1, `,"metadataOptions":{"includeEffectiveTimes":true}`))
	require.Contains(t, body, `"2","2001-01-05T01:00:00Z"]`)
	require.Contains(t, body, `"effectiveTime":"2001-01-06T02:00:00Z"`)
}

// service asks a feature service.
func (s *scene) service(name, keys, more string) (status int, answer string) {
	return s.post(api.GetFeaturesPath, fmt.Sprintf(`{"params":{"workspaceName":"prod","featureServiceName":"%s","joinKeyMap":{%s}%s}}`, name, keys, more))
}

func newFilledServices(t testing.TB) *scene {
	night := start.Add(23 * time.Hour)
	s := newServices(t,
		event{user: 1, at: night, n: ptr(int64(1)), amount: ptr("0.5"), label: ptr("a")},
		event{user: 2, at: night.Add(day), n: ptr(int64(2)), amount: ptr("1.5"), label: ptr("b")},
	)
	s.fill(0, 2, "spending", "latest", "tagged")
	return s
}

func TestAServiceOrdersFeaturesByNamespaceAndName(t *testing.T) {
	t.Parallel()
	s := newFilledServices(t)
	status, body := s.service("all", `"user":"2"`, `,"metadataOptions":{"includeNames":true}`)
	require.Equal(t, 200, status, body)
	require.Equal(t, `{"result":{"features":[1.5,true,"b","2","2001-01-05T23:00:00Z","b",1.5,1.5,"1","2","1"]},"metadata":{"features":[`+
		`{"name":"latest.amount"},{"name":"latest.flag"},{"name":"latest.label"},{"name":"latest.n"},{"name":"latest.seen"},`+
		`{"name":"spending.a_label"},{"name":"spending.amount_max_6h_1h"},{"name":"spending.amount_mean_1d_1h"},`+
		`{"name":"spending.n_count_1d_1h"},{"name":"spending.n_sum_1d_1h"},{"name":"spending.z_last_hour"}]}}`+"\n", body)

	status, body = s.service("pair", `"sender":1,"recipient":"2"`, described)
	require.Equal(t, 200, status, body)
	require.Equal(t, `{"result":{"features":[0.5,"a","2",null,null]},"metadata":{"features":[`+
		`{"name":"by.amount","effectiveTime":"2001-01-05T02:00:00Z","dataType":{"type":"float64"},"status":"PRESENT"},`+
		`{"name":"by.label","effectiveTime":"2001-01-05T02:00:00Z","dataType":{"type":"string"},"status":"PRESENT"},`+
		`{"name":"to.n","effectiveTime":"2001-01-06T02:00:00Z","dataType":{"type":"int64"},"status":"PRESENT"},`+
		`{"name":"z.a_label","effectiveTime":"2001-01-06T02:00:00Z","dataType":{"type":"string"},"status":"MISSING_DATA"},`+
		`{"name":"z.n_count_1d_1h","effectiveTime":"2001-01-06T02:00:00Z","dataType":{"type":"int64"},"status":"MISSING_DATA"}]}}`+"\n", body)
	_, body = s.service("pair", `"sender":null,"recipient":"1"`, `,"requestOptions":{"coerceNullCountsToZero":true}`)
	require.Equal(t, `{"result":{"features":[null,null,"1",null,"0"]}}`+"\n", body)

	_, body = s.service("tags", `"user":1,"label":"a"`, "")
	require.Equal(t, `{"result":{"features":["1"]}}`+"\n", body, "get-features needs the wildcard too")
}

func TestAServiceIsReadInOneRoundAfterEachStatus(t *testing.T) {
	t.Parallel()
	s := newFilledServices(t)
	counting := &countedStore{Store: s.options.Online}
	server := s.with(func(o *serve.Options) { o.Online = counting })
	status, body := post(t, server, api.GetFeaturesPath,
		`{"params":{"workspaceName":"prod","featureServiceName":"pair","joinKeyMap":{"sender":1,"recipient":2}}}`)
	require.Equal(t, 200, status, body)
	require.Equal(t, []int{3}, counting.reads)
}

type countedStore struct {
	online.Store
	reads []int
}

func (c *countedStore) Read(ctx context.Context, reads []online.Read) ([][]online.Item, error) {
	c.reads = append(c.reads, len(reads))
	return c.Store.Read(ctx, reads)
}

func TestErrorsOfServicesHaveTectonsText(t *testing.T) {
	t.Parallel()
	s := newFilledServices(t)
	for _, c := range []struct {
		service, keys string
		status        int
		code          api.Code
		text          string
	}{
		{"pair", `"sender":1`, 400, 3, "Missing required join key: `recipient`"},
		{"pair", `"sender":1,"recipient":2,"user":3`, 400, 3, "Unknown join key: user, expected one of: [sender recipient]"},
		{"pair", `"sender":1,"recipient":"x"`, 400, 3, "Unexpected JSON type for recipient in joinKeyMap. Expected int64 or null."},
		{"tags", `"user":1`, 400, 3, "Missing required join key: `label`"},
		{"latest", `"user":1`, 404, 5, "Unable to query FeatureService `latest` for workspace `prod`. Newly created feature services may take up to 60 seconds to query. Also, ensure that the workspace is a live workspace."},
	} {
		status, body := s.service(c.service, c.keys, "")
		var answer api.Error
		require.NoError(t, json.Unmarshal([]byte(body), &answer))
		require.Equal(t, api.Error{Text: c.text, Message: c.text, Code: c.code}, answer)
		require.Equal(t, c.status, status)
	}
	empty := newServices(t)
	empty.fill(0, 2, "spending")
	_, body := empty.service("all", `"user":1`, "")
	require.Contains(t, body, "Cannot retrieve features. FeatureView: latest has no materialized data in the online store.")
}

func TestMetadataOfAService(t *testing.T) {
	t.Parallel()
	s := newServices(t)
	for name, want := range map[string]string{
		"pair": `{"featureServiceType":"DEFAULT","inputJoinKeys":[{"name":"sender","dataType":{"type":"int64"}},{"name":"recipient","dataType":{"type":"int64"}}],` +
			`"inputRequestContextKeys":[],"outputJoinKeys":[],"featureValues":[{"name":"by.amount","dataType":{"type":"float64"}},` +
			`{"name":"by.label","dataType":{"type":"string"}},{"name":"to.n","dataType":{"type":"int64"}},` +
			`{"name":"z.a_label","dataType":{"type":"string"}},{"name":"z.n_count_1d_1h","dataType":{"type":"int64"}}]}`,
		"tags": `{"featureServiceType":"WILDCARD","inputJoinKeys":[{"name":"user","dataType":{"type":"int64"}}],"inputRequestContextKeys":[],` +
			`"outputJoinKeys":[{"name":"label","dataType":{"type":"string"}}],"featureValues":[{"name":"tagged.n","dataType":{"type":"int64"}}]}`,
	} {
		status, body := s.post(api.ServiceMetadataPath, `{"params":{"feature_service_name":"`+name+`","workspaceName":"prod"}}`)
		require.Equal(t, 200, status, body)
		require.Equal(t, want+"\n", body)
	}
	for body, want := range map[string]string{
		`{"params":{"featureServiceName":"x","workspaceName":"prod"}}`:     `404 Unknown feature_service_name: x for workspace: prod`,
		`{"params":{"featureServiceName":"pair","workspaceName":"other"}}`: `404 Unknown feature_service_name: pair for workspace: other`,
		`{"params":{"workspaceName":"prod"}}`:                              "400 Missing required field: `featureServiceName`",
		`{"params":{"featureServiceName":"x"}}`:                            "400 Missing required field: `workspaceName`",
	} {
		status, text := s.post(api.ServiceMetadataPath, body)
		var answer api.Error
		require.NoError(t, json.Unmarshal([]byte(text), &answer))
		require.Equal(t, want, fmt.Sprint(status, " ", answer.Message))
	}
}

// BenchmarkGetFeaturesOfAService reads 11 features of two views through the handler.
func BenchmarkGetFeaturesOfAService(b *testing.B) {
	s := newFilledServices(b)
	const request = `{"params":{"workspaceName":"prod","featureServiceName":"all","joinKeyMap":{"user":"2"}}}`
	b.ReportAllocs()
	for b.Loop() {
		post(b, s.server, api.GetFeaturesPath, request)
	}
}
