package delta_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tilery/tilery/pkg/bucket"
	"github.com/tilery/tilery/pkg/bucket/file"
	"github.com/tilery/tilery/pkg/offline"
	"github.com/tilery/tilery/pkg/offline/delta"
	"github.com/tilery/tilery/pkg/offline/offlinetest"
)

func newBucket(t testing.TB) bucket.Bucket {
	b, err := file.Open(t.TempDir())
	require.NoError(t, err)
	return b
}

func TestConformance(t *testing.T) {
	t.Parallel()
	offlinetest.Run(t, offlinetest.Driver{
		Bucket: newBucket,
		Open:   func(b bucket.Bucket) offline.Store { return delta.New(b, delta.Options{RowGroupRows: 500}) },
	})
}

func TestFrozenConformance(t *testing.T) {
	t.Parallel()
	offlinetest.RunFrozen(t, newBucket, func(b bucket.Bucket) offline.FrozenStore { return delta.New(b, delta.Options{}) })
}
