package file_test

import (
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tilery/tilery/pkg/bucket"
	"github.com/tilery/tilery/pkg/bucket/buckettest"
	"github.com/tilery/tilery/pkg/bucket/file"
)

// TestMain turns the test binary into a child process where a test started it as one.
func TestMain(m *testing.M) {
	if child := os.Getenv(childVariable); child != "" {
		runChild(child)
	}
	os.Exit(m.Run())
}

func open(t *testing.T) *file.Bucket {
	b, err := file.Open(t.TempDir())
	require.NoError(t, err)
	return b
}

func TestConformance(t *testing.T) {
	t.Parallel()
	buckettest.Run(t, func(t *testing.T) bucket.Bucket { return open(t) })
}

// Every put waits for its syncs, so a slow disk gets through fewer keys in the time.
func TestB3RacingGoroutinesHaveOneWinner(t *testing.T) {
	t.Parallel()
	const want, step, limit = 10_000, 500, 15 * time.Second
	begun, raced := time.Now(), 0
	for raced < want && time.Since(begun) < limit {
		buckettest.Race(t, open(t), step)
		raced += step
	}
	t.Logf("raced for %d of %d keys", raced, want)
}
