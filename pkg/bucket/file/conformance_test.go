package file_test

import (
	"os"
	"testing"

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

// memoryFolder is on a file system in memory where the machine has one. Which of
// several links wins does not depend on the disk, and a race that waits for no
// sync is run ten times as often.
func memoryFolder(t *testing.T) string {
	folder, err := os.MkdirTemp("/dev/shm", "tilery-bucket-") //nolint:usetesting // t.TempDir is on a disk
	if err != nil {
		return t.TempDir()
	}
	t.Cleanup(func() { require.NoError(t, os.RemoveAll(folder)) })
	return folder
}

func TestB3RacingGoroutinesHaveOneWinner(t *testing.T) {
	b, err := file.Open(memoryFolder(t))
	require.NoError(t, err)
	buckettest.Race(t, b, 10_000)
}
