package offlinetest

import (
	"errors"
	"fmt"
	"io"
	"testing"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/stretchr/testify/require"

	"github.com/tilery/tilery/pkg/offline"
)

func testFiles(t *testing.T, d Driver) {
	t.Run("rows come back as they were written", func(t *testing.T) {
		s := newScene(t, d)
		var rows []Row
		for i := range 3000 {
			r := row(fmt.Sprintf("user-%05d", i), int64(-i), hour(0).Start)
			r.N = int64(i)
			rows = append(rows, r)
		}
		build, err := Write(t.Context(), s.table, hour(0), readAt(1), rows)
		require.NoError(t, err)
		got, err := ReadRows(t.Context(), s.table, build.Files)
		require.NoError(t, err)
		require.Equal(t, rows, got)
	})
	t.Run("records have the table's schema and end with EOF", func(t *testing.T) {
		s := newScene(t, d)
		build, err := Write(t.Context(), s.table, hour(0), readAt(1), []Row{row("a", 1, hour(0).Start)})
		require.NoError(t, err)
		r, err := s.table.OpenFile(t.Context(), build.Files[0])
		require.NoError(t, err)
		rec, err := r.Next()
		require.NoError(t, err)
		require.True(t, rec.Schema().Equal(s.spec.Schema))
		for range 2 {
			_, err = r.Next()
			require.Equal(t, io.EOF, err)
		}
		require.NoError(t, r.Close())
	})
	t.Run("damaged files are corrupt", func(t *testing.T) { testDamage(t, newScene(t, d)) })
}

// testDamage cuts and changes a file. A changed byte may go unnoticed, since
// pages have no checksum; it may not crash the reader, nor end in another error.
func testDamage(t *testing.T, s *scene) {
	b := ID{Window: hour(0), ReadAt: readAt(1)}
	for len(RowsFor(b)) == 0 {
		b.Variant++
	}
	f := s.build(b).Files[0]
	key := s.spec.Path + "/" + f.Path
	whole, err := s.bucket.Get(t.Context(), key)
	require.NoError(t, err)

	require.NoError(t, s.bucket.Delete(t.Context(), key))
	require.ErrorIs(t, readAll(t, s, f), offline.ErrCorrupt, "missing")
	for n := 0; n < len(whole); n += 1 + len(whole)/40 {
		cut := append([]byte(nil), whole[:n]...)
		require.NoError(t, s.bucket.Put(t.Context(), key, cut))
		require.ErrorIs(t, readAll(t, s, f), offline.ErrCorrupt, "cut to %d bytes", n)
		known := f
		known.Size = int64(n)
		require.ErrorIs(t, readAll(t, s, known), offline.ErrCorrupt, "cut to %d bytes, and the log agrees", n)
	}
	for n := 0; n < len(whole); n += 1 + len(whole)/200 {
		changed := append([]byte(nil), whole...)
		changed[n] ^= 0x55
		require.NoError(t, s.bucket.Put(t.Context(), key, changed))
		_ = readAll(t, s, f)
	}
	require.NoError(t, s.bucket.Put(t.Context(), key, whole))
	require.NoError(t, readAll(t, s, f))
	for _, off := range []int64{-1, 1} {
		other := f
		other.Rows += off
		require.ErrorIs(t, readAll(t, s, other), offline.ErrCorrupt, "other rows than the log says")
	}
}

// readAll reads all of a file, and then some columns of it, and returns all errors,
// which must be of damage.
func readAll(t *testing.T, s *scene, f offline.File) error {
	var errs []error
	for _, columns := range [][]string{nil, {"user", "at", "amount"}, {"rest", "tags"}} {
		r, err := s.table.Scan(t.Context(), f, offline.Selection{Columns: columns})
		if err == nil {
			err = each(r, func(arrow.Record) {})
		}
		if err != nil {
			require.ErrorIs(t, err, offline.ErrCorrupt)
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}
