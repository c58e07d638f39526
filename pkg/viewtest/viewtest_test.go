package viewtest_test

import (
	"context"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tilery/tilery/pkg/feature/repository"
	"github.com/tilery/tilery/pkg/registry"
	"github.com/tilery/tilery/pkg/transform/duckdb"
	"github.com/tilery/tilery/pkg/viewtest"
)

const sources = `
kind: Entity
name: customer
join_keys: [{name: customer, type: String}]
---
kind: BatchSource
name: payments
batch_config: {uri: payments.parquet, file_format: parquet, timestamp_field: paid_at, data_delay: 1h}
schema:
  - {name: customer, type: String}
  - {name: paid_at, type: Timestamp}
  - {name: amount, type: Float64}
  - {name: shop, type: Int64}
---
kind: BatchSource
name: rates
batch_config: {uri: rates.csv, file_format: csv, timestamp_field: day}
schema: [{name: day, type: Timestamp}, {name: rate, type: Float64}]
---
`

const tiles = `
kind: BatchFeatureView
name: spending
entities: [customer]
sources: [payments]
mode: sql
transformation: SELECT customer, paid_at, amount, shop FROM payments WHERE amount >= 0
timestamp_field: paid_at
feature_start_time: 2024-01-01
aggregation_interval: 1d
aggregations:
  - {column: amount, function: sum, time_window: 2d}
  - {column: amount, function: count, time_window: {window_size: 1d, series_start: -3d}}
  - {column: amount, function: max, time_window: {window_size: 1d, offset: -1d}}
online: true
offline: true
tests:
`

const rows = `
kind: BatchFeatureView
name: last_payment
entities: [customer]
sources: [payments, {source: rates, start_time_offset: unbounded}]
mode: sql
transformation: |
  SELECT p.customer, p.paid_at, p.amount * r.rate AS amount FROM payments p ASOF JOIN rates r ON p.paid_at >= r.day
timestamp_field: paid_at
feature_start_time: 2024-01-01
batch_schedule: 1d
ttl: 2d
offline: true
tests:
`

// run returns the verdict of each test, and what is wrong with the repository.
func run(t *testing.T, definitions string) (verdicts []string, problems string) {
	t.Helper()
	err := registry.Test(t.Context(), duckdb.Engine{}, []repository.File{{Path: "features.yaml", Content: definitions}}, func(r viewtest.Result) {
		verdict := "pass "
		if len(r.Differences) > 0 {
			verdict = "fail "
		}
		verdicts = append(verdicts, verdict+r.Test)
	})
	if err != nil {
		problems = err.Error()
	}
	return verdicts, problems
}

func TestAViewIsWhatItsTestsSay(t *testing.T) {
	t.Parallel()
	verdicts, problems := run(t, sources+tiles+`
  - name: windows
    mocks:
      payments:
        - {customer: ann, paid_at: 2024-01-01T12:00:00Z, amount: 1, shop: 7}
        - {customer: ann, paid_at: 2024-01-02T12:00:00Z, amount: 2.5}
        - {customer: ann, paid_at: 2024-01-02T23:59:59.999999Z, amount: -1}
        - {customer: bob, paid_at: 2024-01-03, amount: 8}
    expected_rows:
      - {customer: bob, amount: 8}
      - {customer: ann, amount: 2.5}
      - {customer: ann, amount: 1, paid_at: null}
    expected_features: []
`)
	require.Equal(t, []string{"fail windows"}, verdicts)
	require.Equal(t, strings.TrimSpace(`
features.yaml:38: BatchFeatureView spending: tests[0]: "windows" fails:
    expected_rows[0]: the SQL returns no row {customer: "bob", paid_at: null, amount: 8}
    expected_rows[1]: the SQL returns no row {customer: "ann", paid_at: null, amount: 2.5}
    expected_rows[2]: the SQL returns no row {customer: "ann", paid_at: null, amount: 1}
    expected_rows: the SQL returns a row {customer: "ann", paid_at: 2024-01-01T12:00:00Z, amount: 1} that is not expected
    expected_rows: the SQL returns a row {customer: "ann", paid_at: 2024-01-02T12:00:00Z, amount: 2.5} that is not expected
    expected_rows: the SQL returns a row {customer: "bob", paid_at: 2024-01-03T00:00:00Z, amount: 8} that is not expected`), problems)

	const mocks = `
    mocks:
      payments:
        - {customer: ann, paid_at: 2024-01-01T12:00:00Z, amount: 1, shop: 7}
        - {customer: ann, paid_at: 2024-01-02T12:00:00Z, amount: 2.5}
        - {customer: ann, paid_at: 2024-01-02T23:59:59.999999Z, amount: -1}
        - {customer: bob, paid_at: 2024-01-03, amount: 8}
`
	verdicts, problems = run(t, sources+tiles+`
  - name: rows
`+mocks+`
    expected_rows: [{amount: 8}, {amount: 2.5}, {amount: 1}]
  - name: features
`+mocks+`
    expected_features:
      - {at: "2024-01-03T00:59:59Z", join_keys: {customer: ann}, features: {amount_sum_2d_1d: 1}}
      - at: 2024-01-03T01:00:00Z
        join_keys: {customer: ann}
        features: {amount_sum_2d_1d: 3.5, amount_count_1d_1d_series_3d_0s_1d: [null, 1, 1], amount_max_1d_1d_offset_1d: 1}
      - {at: 2024-01-04T12:00:00Z, join_keys: {customer: bob}, features: {amount_sum_2d_1d: 8, amount_count_1d_1d_series_3d_0s_1d: [null, null, 1]}}
      - {at: 2024-02-01, join_keys: {customer: bob}, features: {amount_sum_2d_1d: null, amount_count_1d_1d_series_3d_0s_1d: null}}
  - name: a range without rows
    start_time: 2024-01-01
    end_time: 2024-01-03
    expected_rows: []
---`+rows+`
  - name: the newest row counts when its window is complete, until its ttl
    mocks:
      payments:
        - {customer: ann, paid_at: 2024-01-02T08:00:00Z, amount: 10}
        - {customer: ann, paid_at: 2024-01-02T09:00:00Z, amount: 20}
      rates: [{day: 2023-12-01, rate: 0.5}, {day: 2024-01-02T08:30:00Z, rate: 2}]
    start_time: 2024-01-02
    expected_rows: [{amount: 5}, {amount: 40}]
    expected_features:
      - {at: 2024-01-03, join_keys: {customer: ann}, features: {amount: null}}
      - {at: 2024-01-03T01:00:00Z, join_keys: {customer: ann}, features: {amount: 40}}
      - {at: 2024-01-05T00:59:59Z, join_keys: {customer: ann}, features: {amount: 40}}
      - {at: 2024-01-05T01:00:00Z, join_keys: {customer: ann}, features: {amount: null}}
      - {at: 2024-01-03T01:00:00Z, join_keys: {customer: bob}, features: {amount: null}}
`)
	require.Empty(t, problems)
	require.Equal(t, []string{
		"pass rows", "pass features", "pass a range without rows", "pass the newest row counts when its window is complete, until its ttl",
	}, verdicts)
}

func TestFaultsOfTestsAreSaid(t *testing.T) {
	t.Parallel()
	for want, test := range map[string]string{
		`mocks.payments[0].amont: no such column, want one of customer String, paid_at Timestamp, amount Float64, shop Int64`: "{name: x, mocks: {payments: [{amont: 1}]}, expected_rows: []}",
		`mocks.payments[0].shop: 1.5 is no Int64`:                        "{name: x, mocks: {payments: [{shop: 1.5}]}, expected_rows: []}",
		`mocks.payments[0].amount: mocks are JSON, which has no NaN`:     "{name: x, mocks: {payments: [{amount: .nan}]}, expected_rows: []}",
		`the mocks have no rows with a timestamp: give start_time`:       "{name: x, expected_rows: []}",
		`want whole windows of 1d`:                                       "{name: x, start_time: 2024-01-01T01:00:00Z, end_time: 2024-01-02, expected_rows: []}",
		`has 3651 windows of 1d, at most 1000 are run`:                   "{name: x, start_time: 2024-01-01, end_time: 2033-12-30, expected_rows: []}",
		`expected_features[0].join_keys: join key "customer" is missing`: "{name: x, start_time: 2024-01-01, end_time: 2024-01-02, expected_features: [{at: 2024-01-02, join_keys: {}}]}",
		`expected_features[0].features.spent: no such column`:            "{name: x, start_time: 2024-01-01, end_time: 2024-01-02, expected_features: [{at: 2024-01-02, join_keys: {customer: a}, features: {spent: 1}}]}",
		`amount_sum_2d_1d is null, want 1`:                               "{name: x, start_time: 2024-01-01, end_time: 2024-01-02, expected_features: [{at: 2024-01-02T01:00:00Z, join_keys: {customer: a}, features: {amount_sum_2d_1d: 1}}]}",
		`the view has no source "sales"`:                                 "{name: x, mocks: {sales: []}, expected_rows: []}",
		`expects nothing: give expected_rows or expected_features`:       "{name: x, mocks: {payments: []}}",
		`"x" is the name of another test of the view`:                    "{name: x, expected_rows: []}\n  - {name: x, expected_rows: []}",
		`want a value or a list of values, got a mapping`:                "{name: x, mocks: {payments: [{amount: {a: 1}}]}, expected_rows: []}",
	} {
		_, problems := run(t, sources+tiles+"  - "+test+"\n")
		require.Contains(t, problems, want)
	}
}

func TestARunEndsWithItsContext(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	err := registry.Test(ctx, duckdb.Engine{}, []repository.File{{Path: "f.yaml", Content: sources + tiles + "  - {name: x, start_time: 2024-01-01, end_time: 2024-01-02, expected_rows: []}\n"}},
		func(viewtest.Result) {})
	require.ErrorIs(t, err, context.Canceled)
}
