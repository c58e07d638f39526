package offlinetest

import (
	"testing"
	"time"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"

	"github.com/tilery/tilery/pkg/feature"
	"github.com/tilery/tilery/pkg/offline"
	"github.com/tilery/tilery/pkg/window"
)

func testOpen(t *testing.T, d Driver) {
	t.Run("a new table is empty", func(t *testing.T) {
		s := newScene(t, d)
		snapshot := s.snapshot()
		require.Zero(t, snapshot.Version)
		require.Empty(t, snapshot.Files)
		require.Empty(t, snapshot.ReadAt)
		require.Empty(t, snapshot.Covered)
		require.Zero(t, snapshot.Fence)
		require.Equal(t, s.spec, s.table.Spec())
	})
	t.Run("a table that is there is opened", func(t *testing.T) {
		s := newScene(t, d)
		s.commit(false, s.build(id(0, 1)))
		store := d.Open(s.bucket)
		for range 2 {
			table, err := store.Open(t.Context(), s.spec)
			require.NoError(t, err)
			snapshot, err := table.Snapshot(t.Context())
			require.NoError(t, err)
			require.Equal(t, s.snapshot(), snapshot)
		}
	})
	t.Run("another layout is refused and named", func(t *testing.T) { testMismatch(t, d) })
	t.Run("a table keeps its partition", func(t *testing.T) {
		s := newScene(t, d)
		asked := s.spec
		asked.Partition = window.Month
		for _, store := range []offline.Store{d.Open(s.bucket), d.Open(s.bucket)} {
			for range 2 {
				table, err := store.Open(t.Context(), asked)
				require.NoError(t, err)
				require.Equal(t, s.spec, table.Spec())
				build, err := Write(t.Context(), table, hour(0), readAt(1), []Row{row("a", 1, hour(0).Start)})
				require.NoError(t, err)
				require.Equal(t, "2001-01-04", build.Files[0].Partition)
				s.commit(false, build)
			}
		}
	})
	t.Run("tables do not see each other", func(t *testing.T) {
		s := newScene(t, d)
		s.commit(false, s.build(id(0, 1)))
		spec := s.spec
		spec.Path += "-more"
		other, err := d.Open(s.bucket).Open(t.Context(), spec)
		require.NoError(t, err)
		snapshot, err := other.Snapshot(t.Context())
		require.NoError(t, err)
		require.Empty(t, snapshot.Covered)
	})
	t.Run("racing creators share one table", func(t *testing.T) {
		b, tables := d.Bucket(t), make([]offline.Table, 8)
		var group errgroup.Group
		for i := range tables {
			group.Go(func() (err error) {
				spec := Spec()
				spec.Partition = []window.Partition{window.Day, window.Month}[i%2]
				tables[i], err = d.Open(b).Open(t.Context(), spec)
				return err
			})
		}
		require.NoError(t, group.Wait())
		for i, table := range tables {
			require.Equal(t, tables[0].Spec(), table.Spec())
			build, err := Write(t.Context(), table, hour(i), readAt(i), nil)
			require.NoError(t, err)
			_, err = table.Commit(t.Context(), offline.Commit{ID: commitID(i), Builds: []offline.Build{build}})
			require.NoError(t, err)
		}
		require.Len(t, Audit(t, b, Spec()).ReadAt, len(tables))
	})
	t.Run("of racing creators with two layouts one wins", func(t *testing.T) {
		b, errs := d.Bucket(t), make([]error, 8)
		var group errgroup.Group
		for i := range errs {
			group.Go(func() error {
				spec := Spec()
				spec.Step = time.Duration(1+i%2) * time.Hour
				_, errs[i] = d.Open(b).Open(t.Context(), spec)
				return nil
			})
		}
		require.NoError(t, group.Wait())
		winner := 0
		if errs[0] != nil {
			winner = 1
		}
		for i, err := range errs {
			if i%2 == winner {
				require.NoError(t, err)
			} else {
				require.ErrorIs(t, err, offline.ErrMismatch)
			}
		}
	})
}

func testMismatch(t *testing.T, d Driver) {
	s := newScene(t, d)
	fields := func() []arrow.Field { return append([]arrow.Field(nil), s.spec.Schema.Fields()...) }
	for name, change := range map[string]func(*offline.Spec){
		"step": func(spec *offline.Spec) { spec.Step = 2 * time.Hour },
		"amount": func(spec *offline.Spec) {
			f := fields()
			f[4].Type = arrow.PrimitiveTypes.Int64
			spec.Schema = arrow.NewSchema(f, nil)
		},
		"rest": func(spec *offline.Spec) {
			f := fields()
			f[5].Nullable = false
			spec.Schema = arrow.NewSchema(f, nil)
		},
		"tags": func(spec *offline.Spec) {
			f := fields()
			f[6].Type = arrow.ListOf(arrow.PrimitiveTypes.Int64)
			spec.Schema = arrow.NewSchema(f, nil)
		},
		"good": func(spec *offline.Spec) { spec.Schema = arrow.NewSchema(fields()[:7], nil) },
		"more": func(spec *offline.Spec) {
			spec.Schema = arrow.NewSchema(append(fields(), arrow.Field{Name: "more", Type: arrow.PrimitiveTypes.Int64}), nil)
		},
		"keys": func(spec *offline.Spec) {
			f := fields()
			f[1], f[2] = f[2], f[1]
			spec.Schema = arrow.NewSchema(f, nil)
			spec.Keys = []feature.Field{spec.Keys[0]}
		},
	} {
		t.Run(name, func(t *testing.T) {
			spec := s.spec
			change(&spec)
			_, err := d.Open(s.bucket).Open(t.Context(), spec)
			require.ErrorIs(t, err, offline.ErrMismatch)
			require.ErrorContains(t, err, name)

			store := d.Open(s.bucket)
			_, err = store.Open(t.Context(), s.spec)
			require.NoError(t, err)
			_, err = store.Open(t.Context(), spec)
			require.ErrorIs(t, err, offline.ErrMismatch, "by a store that knows the table")
		})
	}
}
