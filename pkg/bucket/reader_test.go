package bucket_test

import (
	"io"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tilery/tilery/pkg/bucket"
	"github.com/tilery/tilery/pkg/bucket/buckettest"
)

func TestReaderAtReadsOnlyWhatIsAskedFor(t *testing.T) {
	b := open(t)
	require.NoError(t, b.Put(t.Context(), "k", []byte("0123456789")))
	calls := map[string]int{}
	counted := buckettest.Faulty{Bucket: b, Hook: func(op, _ string) buckettest.Fault {
		calls[op]++
		return buckettest.None
	}}
	r, err := bucket.ReaderAt(t.Context(), counted, "k")
	require.NoError(t, err)
	p := make([]byte, 4)
	n, err := r.ReadAt(p, 8)
	require.Equal(t, 2, n)
	require.ErrorIs(t, err, io.EOF)
	require.Equal(t, "89", string(p[:n]))
	_, err = r.ReadAt(p, 10)
	require.ErrorIs(t, err, io.EOF)
	require.Equal(t, map[string]int{"Stat": 1, "GetRange": 1}, calls)

	_, err = r.ReadAt(p, -1)
	require.Error(t, err)
	_, err = r.Seek(-1, io.SeekStart)
	require.Error(t, err)
	_, err = r.Seek(0, 3)
	require.Error(t, err)
}

func TestReaderAtPassesFailuresOn(t *testing.T) {
	b := open(t)
	require.NoError(t, b.Put(t.Context(), "k", []byte("0123456789")))
	r, err := bucket.ReaderAt(t.Context(), failing(b, map[string]buckettest.Fault{"GetRange": buckettest.Refused}), "k")
	require.NoError(t, err)
	n, err := r.ReadAt(make([]byte, 4), 0)
	require.Zero(t, n)
	require.ErrorIs(t, err, buckettest.ErrInjected)
}
