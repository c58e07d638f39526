package serve_test

import (
	"encoding/json"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tilery/tilery/pkg/api"
)

// newFilled returns a scene of one day: user 1 has rows all day, user 2 a NaN,
// user 3 and 4 infinities, user 5 nulls only, user 6 rows in the morning.
func newFilled(t testing.TB) *scene {
	s := newScene(t)
	s.apply(0, nil)
	noon, night := start.Add(12*time.Hour), start.Add(23*time.Hour)
	s.write([]event{
		{user: 1, at: noon, n: ptr(int64(math.MaxInt64 - 1)), amount: ptr("0.1"), label: ptr("<b>")},
		{user: 1, at: night, n: ptr(int64(1)), amount: ptr("0.2"), label: ptr("<a>")},
		{user: 2, at: night, amount: ptr("nan")},
		{user: 3, at: night, amount: ptr("inf")},
		{user: 4, at: night, amount: ptr("-inf")},
		{user: 5, at: night},
		{user: 6, at: noon, n: ptr(int64(-5)), amount: ptr("1e21")},
	})
	s.materialize(0, 1)
	return s
}

// The order is that of names: a_label, amount_max_6h_1h, amount_mean_1d_1h,
// n_count_1d_1h, n_sum_1d_1h, z_last_hour.
func TestFeaturesAreValuesInTheOrderOfNames(t *testing.T) {
	t.Parallel()
	s := newFilled(t)
	for user, want := range map[int64]string{
		1: `["\u003cb\u003e",0.2,0.15000000000000002,"2","9223372036854775807","1"]`,
		2: `[null,"NaN","NaN","0",null,"0"]`,
		3: `[null,"Infinity","Infinity","0",null,"0"]`,
		4: `[null,"-Infinity","-Infinity","0",null,"0"]`,
		5: `[null,null,null,"0",null,"0"]`,
		6: `[null,null,1e+21,"1","-5",null]`,
		7: `[null,null,null,null,null,null]`,
	} {
		status, body := s.features(user, "")
		require.Equal(t, 200, status)
		require.Equal(t, `{"result":{"features":`+want+"}}\n", body, "user %d", user)
	}
	_, body := s.features(6, `,"requestOptions":{"coerceNullCountsToZero":true}`)
	require.Equal(t, `{"result":{"features":[null,null,1e+21,"1","-5","0"]}}`+"\n", body)
}

func TestMetadataIsWhatWasAskedFor(t *testing.T) {
	t.Parallel()
	s := newFilled(t)
	const values = `{"result":{"features":[null,null,1e+21,"1","-5",null]}`
	each := func(of ...string) string { return `{` + strings.Join(of, `},{`) + `}` }
	same := func(one string) string { return each(one, one, one, one, one, one) }
	for option, want := range map[string]string{
		"includeNames": each(`"name":"spending.a_label"`, `"name":"spending.amount_max_6h_1h"`, `"name":"spending.amount_mean_1d_1h"`,
			`"name":"spending.n_count_1d_1h"`, `"name":"spending.n_sum_1d_1h"`, `"name":"spending.z_last_hour"`),
		"includeEffectiveTimes": same(`"effectiveTime":"2001-01-05T02:00:00Z"`), // the day's end and data_delay
		"includeDataTypes": each(`"dataType":{"type":"string"}`, `"dataType":{"type":"float64"}`, `"dataType":{"type":"float64"}`,
			`"dataType":{"type":"int64"}`, `"dataType":{"type":"int64"}`, `"dataType":{"type":"int64"}`),
		"includeServingStatus": each(`"status":"PRESENT"`, `"status":"MISSING_DATA"`, `"status":"PRESENT"`,
			`"status":"PRESENT"`, `"status":"PRESENT"`, `"status":"MISSING_DATA"`),
	} {
		_, body := s.features(6, `,"metadataOptions":{"`+option+`":true}`)
		require.Equal(t, values+`,"metadata":{"features":[`+want+"]}}\n", body, option)
		_, body = s.features(6, `,"metadataOptions":{"`+option+`":false}`)
		require.Equal(t, values+"}\n", body, option)
	}
	_, body := s.features(6, `,"metadataOptions":{"includeNames":true,"includeEffectiveTimes":true,"includeDataTypes":true,"includeServingStatus":true}`)
	require.Contains(t, body, `{"name":"spending.z_last_hour","effectiveTime":"2001-01-05T02:00:00Z","dataType":{"type":"int64"},"status":"MISSING_DATA"}`)
}

func TestSloInfoTellsTheCost(t *testing.T) {
	t.Parallel()
	s := newFilled(t)
	status, body := s.features(1, `,"metadataOptions":{"includeSloInfo":true}`)
	require.Equal(t, 200, status)
	var response api.GetFeaturesResponse
	require.NoError(t, json.Unmarshal([]byte(body), &response))
	slo := response.Metadata.SloInfo
	require.True(t, slo.SloEligible)
	require.Positive(t, slo.StoreResponseBytes)
	require.Positive(t, slo.StoreTimeSeconds)
	require.GreaterOrEqual(t, slo.ServerTimeSeconds, slo.StoreTimeSeconds)
	require.Equal(t, slo.ServerTimeSeconds, slo.SloServerTimeSeconds)
}

func TestSnakeCaseAndCamelCaseRequestsGetTheSameBytes(t *testing.T) {
	t.Parallel()
	s := newFilled(t)
	camel := `{"params":{"workspaceName":"prod","featureViewName":"spending","joinKeyMap":{"user":"6"},"requestContextMap":{"some_key":1},
		"metadataOptions":{"includeNames":true,"includeEffectiveTimes":true,"includeDataTypes":true,"includeServingStatus":true},
		"requestOptions":{"coerceNullCountsToZero":true,"readFromCache":false},"allowPartialResults":false}}`
	snake := `{"params":{"workspace_name":"prod","feature_view_name":"spending","join_key_map":{"user":6},"request_context_map":{"some_key":1},
		"metadata_options":{"include_names":true,"include_effective_times":true,"include_data_types":true,"include_serving_status":true},
		"request_options":{"coerce_null_counts_to_zero":true,"read_from_cache":false},"allow_partial_results":false}}`
	status, want := s.post(api.GetFeaturesPath, camel)
	require.Equal(t, 200, status, want)
	status, got := s.post(api.GetFeaturesPath, snake)
	require.Equal(t, 200, status, got)
	require.Equal(t, want, got)
}

func TestJoinKeysAreReadInEachForm(t *testing.T) {
	t.Parallel()
	s := newFilled(t)
	_, want := s.features(1, "")
	_, none := s.features(7, "")
	for key, body := range map[string]string{`"1"`: want, `1`: want, `null`: none, `"-9223372036854775808"`: none, `9223372036854775807`: none} {
		status, got := s.post(api.GetFeaturesPath, strings.Replace(ask(1, ""), `"1"`, key, 1))
		require.Equal(t, 200, status)
		require.Equal(t, body, got, key)
	}
}

func TestErrorsHaveTectonsTextStatusAndCode(t *testing.T) {
	t.Parallel()
	s := newFilled(t)
	params := func(p string) string { return `{"params":{` + p + `}}` }
	const where = `"workspaceName":"prod","featureViewName":"spending"`
	unable := func(kind, name, workspace string) string {
		views := map[string]string{"FeatureView": "feature views", "FeatureService": "feature services"}[kind]
		return "Unable to query " + kind + " `" + name + "` for workspace `" + workspace + "`. Newly created " + views +
			" may take up to 60 seconds to query. Also, ensure that the workspace is a live workspace."
	}
	for _, c := range []struct {
		body   string
		status int
		code   api.Code
		text   string
	}{
		{params(where + `,"joinKeyMap":{}`), 400, 3, "Missing required join key: `user`"},
		{params(where), 400, 3, "Missing required join key: `user`"},
		{params(where + `,"joinKeyMap":{"user":1,"shop":2,"other":3}`), 400, 3, "Unknown join key: other, expected one of: [user]"},
		{params(where + `,"joinKeyMap":{"user":true}`), 400, 3, "Unexpected JSON type for user in joinKeyMap. Expected int64 or null."},
		{params(where + `,"joinKeyMap":{"user":1.5}`), 400, 3, "Unexpected JSON type for user in joinKeyMap. Expected int64 or null."},
		{params(where + `,"joinKeyMap":{"user":"x"}`), 400, 3, "Unexpected JSON type for user in joinKeyMap. Expected int64 or null."},
		{params(where + `,"joinKeyMap":{"user":9223372036854775808}`), 400, 3, "Unexpected JSON type for user in joinKeyMap. Expected int64 or null."},
		{params(where + `,"joinKeyMap":[]`), 400, 3, "Unexpected JSON type for `joinKeyMap`. Expected an object."},
		{params(`"workspaceName":7`), 400, 3, "Unexpected JSON type for `workspaceName`. Expected a string."},
		{params(where + `,"metadata_options":{"include_names":"yes"}`), 400, 3, "Unexpected JSON type for `includeNames`. Expected true or false."},
		{params(`"workspaceName":"prod","workspace_name":"dev"`), 400, 3, "request body is not valid JSON: field `workspaceName` is given in two spellings"},
		{`[]`, 400, 3, "Unexpected JSON type for the request body. Expected an object."},
		{`{"params":`, 400, 3, "request body is not valid JSON: unexpected end of JSON input"},
		{``, 400, 3, "request body is not valid JSON: unexpected end of JSON input"},
		{`{} {}`, 400, 3, "request body is not valid JSON: invalid character '{' after top-level value"},
		{`{}}`, 400, 3, "request body is not valid JSON: invalid character '}' after top-level value"},
		{`{}`, 400, 3, "Missing required field: `workspaceName`"},
		{`null`, 400, 3, "Missing required field: `workspaceName`"},
		{params(`"workspaceName":"prod"`), 400, 3, "Missing required field: one of `featureServiceName` and `featureViewName`"},
		{params(where + `,"featureServiceName":"s"`), 400, 3, "Only one of `featureServiceName` and `featureViewName` may be given"},
		{params(`"workspaceName":"prod","featureServiceName":"s"`), 404, 5, unable("FeatureService", "s", "prod")},
		{params(`"workspaceName":"prod","featureViewName":"v"`), 404, 5, unable("FeatureView", "v", "prod")},
		{params(`"workspaceName":"dev","featureViewName":"spending"`), 404, 5, unable("FeatureView", "spending", "dev")},
		{params(`"workspaceName":"../prod","featureViewName":"spending"`), 404, 5, unable("FeatureView", "spending", "../prod")},
		{`"` + strings.Repeat("x", 1<<20) + `"`, 400, 3, "request body is larger than 1048576 bytes"},
	} {
		status, body := s.post(api.GetFeaturesPath, c.body)
		var answer api.Error
		require.NoError(t, json.Unmarshal([]byte(body), &answer))
		require.Equal(t, api.Error{Text: c.text, Message: c.text, Code: c.code}, answer)
		require.Equal(t, c.status, status, c.text)
	}
	require.Empty(t, s.log.String(), "faults of callers are not logged")
}

func TestAViewWithoutDataSaysSo(t *testing.T) {
	t.Parallel()
	const text = "Cannot retrieve features. FeatureView: spending has no materialized data in the online store."
	s := newScene(t)
	s.apply(0, nil)
	s.write(nil)
	empty := func() {
		status, body := s.features(1, "")
		require.Equal(t, 404, status)
		require.Equal(t, `{"error":"`+text+`","message":"`+text+`","code":5}`+"\n", body)
	}
	empty() // no status
	s.materialize(0, 0)
	empty() // nothing covered
	s.materialize(0, 1)
	status, body := s.features(1, "")
	require.Equal(t, 200, status, body)

	// The tiles are there, and serve only the windows that they cover.
	s.apply(1, func(text string) string {
		return strings.Replace(text, "function: sum, time_window: 1d", "function: sum, time_window: 2d", 1)
	})
	empty()
	s.materialize(1, 2)
	status, body = s.features(1, "")
	require.Equal(t, 200, status, body)
}

func TestOtherPathsAndMethodsAreNotFound(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	status, body := s.post("/api/v1/feature-service/nothing", "{}")
	require.Equal(t, 404, status)
	require.Contains(t, body, "no such endpoint: POST /api/v1/feature-service/nothing")
}
