package e2e_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestViewsAreTestedWithoutAStackAndPlanRefusesRedOnes runs the example's tests,
// then with one expectation changed.
func TestViewsAreTestedWithoutAStackAndPlanRefusesRedOnes(t *testing.T) {
	none := &stack{}
	out := none.tilery(t, "test", examples)
	require.Contains(t, out, "pass  airport_delays  ")
	require.Contains(t, out, "1 passed, 0 failed")

	red := t.TempDir()
	for _, name := range []string{"features.yaml", "airport_delays.sql"} {
		data, err := os.ReadFile(filepath.Join(examples, name))
		require.NoError(t, err)
		text := strings.Replace(string(data), "delay_mean_1d_1h: 5,", "delay_mean_1d_1h: 6,", 1)
		require.NoError(t, os.WriteFile(filepath.Join(red, name), []byte(text), 0o600))
	}
	const want = "expected_features[0]: delay_mean_1d_1h is 5, want 6"
	out, err := none.try("test", red)
	require.Error(t, err)
	require.Contains(t, out, want)
	require.Contains(t, out, "0 passed, 1 failed")
	out, err = none.try("test", red, "-o", "json")
	require.Error(t, err)
	require.Contains(t, out, `"passed":false`)

	s := startStack(t, t.TempDir())
	_, err = s.try("plan", red)
	require.ErrorContains(t, err, want)
	s.tilery(t, "apply", examples, "--yes")
	plan := s.tilery(t, "plan", examples)
	require.Contains(t, plan, "is up to date with generation 1", "tests are not applied")
}
