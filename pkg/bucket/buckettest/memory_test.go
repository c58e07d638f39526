package buckettest_test

import (
	"testing"

	"github.com/tilery/tilery/pkg/bucket"
	"github.com/tilery/tilery/pkg/bucket/buckettest"
)

func TestMemoryKeepsTheContract(t *testing.T) {
	t.Parallel()
	buckettest.Run(t, func(*testing.T) bucket.Bucket { return buckettest.NewMemory() })
}
