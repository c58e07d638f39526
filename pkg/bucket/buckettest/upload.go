package buckettest

import (
	"bytes"
	"context"
	"io"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"

	"github.com/tilery/tilery/pkg/bucket"
)

func testCreate(t *testing.T, b bucket.Bucket) {
	ctx := t.Context()
	w, err := b.Create(ctx, "data/k")
	require.NoError(t, err)
	var want bytes.Buffer
	for i := range 40 {
		part := bytes.Repeat([]byte{byte(i)}, i*1000)
		n, err := io.MultiWriter(w, &want).Write(part)
		require.NoError(t, err)
		require.Equal(t, len(part), n)
	}
	_, err = b.Stat(ctx, "data/k")
	require.ErrorIs(t, err, bucket.ErrNotFound)
	require.Empty(t, list(t, b, "", ""))

	require.NoError(t, w.Close())
	requireObject(t, b, "data/k", want.String())
	require.Equal(t, []string{"data/k"}, list(t, b, "", ""))

	w.Abort() // does nothing now
	require.Error(t, w.Close())
	_, err = w.Write([]byte("late"))
	require.Error(t, err)
	requireObject(t, b, "data/k", want.String())

	over, err := b.Create(ctx, "data/k")
	require.NoError(t, err)
	require.NoError(t, over.Close())
	requireObject(t, b, "data/k", "")
}

func testCreateFails(t *testing.T, b bucket.Bucket) {
	aborted, err := b.Create(t.Context(), "k")
	require.NoError(t, err)
	_, err = aborted.Write([]byte("x"))
	require.NoError(t, err)
	aborted.Abort()
	aborted.Abort()
	require.Error(t, aborted.Close())

	ctx, cancel := context.WithCancel(t.Context())
	ended, err := b.Create(ctx, "k")
	require.NoError(t, err)
	_, err = ended.Write([]byte("x"))
	require.NoError(t, err)
	cancel()
	_, err = ended.Write([]byte("y"))
	require.ErrorIs(t, err, context.Canceled)
	require.ErrorIs(t, ended.Close(), context.Canceled, "a part of the object is no object")

	require.Empty(t, list(t, b, "", ""))
}

func testOverwriteWhole(t *testing.T, b bucket.Bucket) {
	content := func(i int) []byte { return bytes.Repeat([]byte{byte('a' + i)}, 1+i*5000) }
	require.NoError(t, b.Put(t.Context(), "k", content(0)))
	group, ctx := errgroup.WithContext(t.Context())
	written := make(chan struct{})
	group.Go(func() error {
		defer close(written)
		for i := range 100 {
			if err := b.Put(ctx, "k", content(i%20)); err != nil {
				return err
			}
		}
		return nil
	})
	for done := false; !done; {
		select {
		case <-written:
			done = true
		default:
		}
		data, err := b.Get(t.Context(), "k")
		require.NoError(t, err)
		require.NotEmpty(t, data)
		require.Equal(t, content(int(data[0]-'a')), data)
	}
	require.NoError(t, group.Wait())
}
