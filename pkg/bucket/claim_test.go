package bucket_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tilery/tilery/pkg/bucket"
	"github.com/tilery/tilery/pkg/bucket/buckettest"
	"github.com/tilery/tilery/pkg/bucket/file"
)

func open(t *testing.T) bucket.Bucket {
	b, err := file.Open(t.TempDir())
	require.NoError(t, err)
	return b
}

// failing returns a bucket whose every call of an operation has that fault.
func failing(b bucket.Bucket, faults map[string]buckettest.Fault) bucket.Bucket {
	return buckettest.Faulty{Bucket: b, Hook: func(op, _ string) buckettest.Fault { return faults[op] }}
}

func TestClaimSurvivesHangingCalls(t *testing.T) {
	for _, fault := range []buckettest.Fault{buckettest.HangBefore, buckettest.HangAfter} {
		synctest.Test(t, func(t *testing.T) {
			b := open(t)
			left := 4 // put, get, put, get
			faulty := buckettest.Faulty{Bucket: b, Hook: func(string, string) buckettest.Fault {
				if left == 0 {
					return buckettest.None
				}
				left--
				return fault
			}}
			begun := time.Now()
			require.NoError(t, bucket.Claim(t.Context(), faulty, "k", []byte("own")))
			require.Less(t, time.Since(begun), 3*time.Minute)
		})
	}
}

func TestClaimWithoutAnswersIsUnknown(t *testing.T) {
	const none = buckettest.None
	for name, faults := range map[string]map[string]buckettest.Fault{
		"nothing is done":      {"PutIfAbsent": buckettest.Refused},
		"nothing is answered":  {"PutIfAbsent": buckettest.LostAnswer, "Get": buckettest.LostAnswer},
		"puts hang":            {"PutIfAbsent": buckettest.HangBefore},
		"reads are impossible": {"PutIfAbsent": none, "Get": buckettest.Refused},
	} {
		for _, other := range []bool{false, true} {
			synctest.Test(t, func(t *testing.T) {
				b := open(t)
				if other {
					require.NoError(t, b.Put(t.Context(), "k", []byte("other")))
				}
				err := bucket.Claim(t.Context(), failing(b, faults), "k", []byte("own"))
				switch {
				case faults["Get"] == none && other:
					require.ErrorIs(t, err, bucket.ErrExists, name)
				case faults["PutIfAbsent"] == none && !other:
					require.NoError(t, err, name)
				default:
					require.ErrorIs(t, err, bucket.ErrUnknown, name)
					require.NotErrorIs(t, err, bucket.ErrExists, name)
				}
			})
		}
	}
}

func TestClaimWhoseContextEndsIsUnknownNotLost(t *testing.T) {
	for _, fault := range []buckettest.Fault{buckettest.HangBefore, buckettest.HangAfter} {
		for _, op := range []string{"PutIfAbsent", "Get"} {
			synctest.Test(t, func(t *testing.T) {
				b := open(t)
				require.NoError(t, b.Put(t.Context(), "k", []byte("other")))
				ctx, cancel := context.WithTimeout(t.Context(), time.Second)
				defer cancel()
				err := bucket.Claim(ctx, failing(b, map[string]buckettest.Fault{op: fault}), "k", []byte("own"))
				require.ErrorIs(t, err, bucket.ErrUnknown)
				require.ErrorIs(t, err, context.DeadlineExceeded)
				require.NotErrorIs(t, err, bucket.ErrExists)
			})
		}
	}
}

func TestClaimBeforeItsFirstPutIsNotUnknown(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	err := bucket.Claim(ctx, open(t), "k", []byte("own"))
	require.ErrorIs(t, err, context.Canceled)
	require.NotErrorIs(t, err, bucket.ErrUnknown)
}

func TestClaimCanBeRepeatedAfterUnknown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := open(t)
		faults := map[string]buckettest.Fault{"PutIfAbsent": buckettest.LostAnswer, "Get": buckettest.Refused}
		require.ErrorIs(t, bucket.Claim(t.Context(), failing(b, faults), "k", []byte("own")), bucket.ErrUnknown)
		require.NoError(t, bucket.Claim(t.Context(), b, "k", []byte("own")))
		require.ErrorIs(t, bucket.Claim(t.Context(), b, "k", []byte("other")), bucket.ErrExists)
	})
}

// fleeting is a bucket whose object is there for each put and gone for each get.
type fleeting struct{ bucket.Bucket }

func (fleeting) PutIfAbsent(context.Context, string, []byte) error { return bucket.ErrExists }

func TestClaimThatMetOnlyFleetingObjectsIsUnknownNotLost(t *testing.T) {
	for _, limit := range []time.Duration{50 * time.Millisecond, time.Hour} {
		synctest.Test(t, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), limit)
			defer cancel()
			err := bucket.Claim(ctx, fleeting{open(t)}, "k", []byte("own"))
			require.ErrorIs(t, err, bucket.ErrUnknown)
			require.NotErrorIs(t, err, bucket.ErrExists)
		})
	}
}
