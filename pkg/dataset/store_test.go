package dataset_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/apache/arrow/go/v15/arrow/memory"
	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"
	"pgregory.net/rapid"

	"github.com/tilery/tilery/pkg/bucket"
	"github.com/tilery/tilery/pkg/bucket/buckettest"
	"github.com/tilery/tilery/pkg/bucket/file"
	"github.com/tilery/tilery/pkg/dataset"
	"github.com/tilery/tilery/pkg/feature"
	"github.com/tilery/tilery/pkg/frame"
	"github.com/tilery/tilery/pkg/offline/delta"
	"github.com/tilery/tilery/pkg/record"
	"github.com/tilery/tilery/pkg/retrieve"
	"github.com/tilery/tilery/pkg/window"
)

var (
	schema = feature.Schema{{Name: "user", Type: feature.String}, {Name: "rides.n", Type: feature.Int64}}
	now    = window.FromTime(time.Date(2001, 2, 3, 4, 5, 6, 0, time.UTC))
	origin = dataset.Origin{
		Request: dataset.Request{View: "rides"}, Generation: 3, Views: []retrieve.Pin{{View: "rides", Fingerprint: "f", Version: 7}},
	}
)

func newStore(b bucket.Bucket) *dataset.Store { return dataset.New(b, delta.New(b, delta.Options{})) }

// rows returns a record of the users n to m.
func rows(from, to int) arrow.Record {
	b := array.NewRecordBuilder(memory.DefaultAllocator, record.ArrowSchema(schema))
	defer b.Release()
	for n := from; n < to; n++ {
		b.Field(0).(*array.StringBuilder).Append(fmt.Sprint("u", n))
		b.Field(1).(*array.Int64Builder).Append(int64(n))
	}
	return b.NewRecord()
}

// save saves users 0 to n with a spine.
func save(t *testing.T, s *dataset.Store, name string, n int) (dataset.Dataset, error) {
	w, err := s.Create(t.Context(), "prod", name, schema)
	if err != nil {
		return dataset.Dataset{}, err
	}
	d, err := commit(t, w, n)
	if err != nil {
		_ = w.Abort(t.Context()) // what it cannot remove is a leftover
	}
	return d, err
}

func commit(t *testing.T, w *dataset.Writer, n int) (dataset.Dataset, error) {
	spine, err := w.PutSpine(t.Context(), strings.NewReader("user\nu1\n"), frame.CSV)
	if err != nil {
		return dataset.Dataset{}, err
	}
	if err := w.Write(t.Context(), rows(0, n)); err != nil {
		return dataset.Dataset{}, err
	}
	o := origin
	o.Spine = &spine
	return w.Commit(t.Context(), now, o)
}

// requireRows checks that a dataset holds users 0 to n.
func requireRows(t *testing.T, s *dataset.Store, d dataset.Dataset, n int) {
	t.Helper()
	var users []string
	require.NoError(t, s.Read(t.Context(), d, func(rec arrow.Record) error {
		for i := range int(rec.NumRows()) {
			users = append(users, rec.Column(0).(*array.String).Value(i))
		}
		return nil
	}))
	require.Len(t, users, n)
	for i, user := range users {
		require.Equal(t, fmt.Sprint("u", i), user)
	}
}

func objects(t *testing.T, b bucket.Bucket) []string {
	var out []string
	for info, err := range b.List(t.Context(), "", "") {
		require.NoError(t, err)
		out = append(out, info.Key)
	}
	return out
}

func TestADatasetIsThereAsItWasSaved(t *testing.T) {
	t.Parallel()
	b := buckettest.NewMemory()
	saved, err := save(t, newStore(b), "a", 100)
	require.NoError(t, err)
	require.Equal(t, int64(100), saved.Rows)
	require.Positive(t, saved.Bytes)
	require.Len(t, saved.Spine.SHA256, 64)

	s := newStore(b)
	d, err := s.Describe(t.Context(), "prod", "a")
	require.NoError(t, err)
	require.Equal(t, saved, d)
	require.Equal(t, origin.Views, d.Views)
	requireRows(t, s, d, 100)
	spine, err := b.Get(t.Context(), d.Spine.Key)
	require.NoError(t, err)
	require.Equal(t, "user\nu1\n", string(spine))

	_, err = s.Describe(t.Context(), "dev", "a")
	require.ErrorIs(t, err, dataset.ErrNotFound)
	_, err = save(t, s, "a", 1)
	require.ErrorIs(t, err, dataset.ErrExists)
	for _, name := range []string{"", "A", "a/b", "a.b", strings.Repeat("a", 65)} {
		_, err = save(t, s, name, 1)
		require.ErrorIs(t, err, dataset.ErrName, name)
	}
}

func TestOneOfRacingSavesWins(t *testing.T) {
	t.Parallel()
	b := buckettest.NewMemory()
	var begun []*dataset.Writer
	for range 4 {
		w, err := newStore(b).Create(t.Context(), "prod", "a", schema)
		require.NoError(t, err)
		begun = append(begun, w)
	}
	var won atomic.Int64
	var group errgroup.Group
	for i, w := range begun {
		group.Go(func() error {
			_, err := commit(t, w, i+1)
			if err == nil {
				won.Add(int64(i + 1))
				return w.Abort(t.Context())
			}
			require.ErrorIs(t, err, dataset.ErrExists)
			return w.Abort(t.Context())
		})
	}
	require.NoError(t, group.Wait())
	s := newStore(b)
	d, err := s.Describe(t.Context(), "prod", "a")
	require.NoError(t, err)
	requireRows(t, s, d, int(won.Load()))
	require.Len(t, objects(t, b), 4, "document, spine, log and file of the winner alone")
}

func TestADeletedNameIsFree(t *testing.T) {
	t.Parallel()
	b := buckettest.NewMemory()
	s := newStore(b)
	first, err := save(t, s, "a", 3)
	require.NoError(t, err)
	_, err = s.Delete(t.Context(), "prod", "a")
	require.NoError(t, err)
	require.Empty(t, objects(t, b))
	_, err = s.Delete(t.Context(), "prod", "a")
	require.ErrorIs(t, err, dataset.ErrNotFound)

	second, err := save(t, s, "a", 5)
	require.NoError(t, err)
	requireRows(t, s, second, 5)
	err = s.Read(t.Context(), first, func(arrow.Record) error { return nil })
	require.ErrorIs(t, err, dataset.ErrNotFound, "it is not taken for the new one")
}

func TestASpineThatIsLostIsToldFromADatasetThatIsDeleted(t *testing.T) {
	t.Parallel()
	b := buckettest.NewMemory()
	s := newStore(b)
	d, err := save(t, s, "a", 3)
	require.NoError(t, err)
	d.Spine.Schema = feature.Schema{{Name: "user", Type: feature.String}}
	var users []string
	read := func() error {
		return s.ReadSpine(t.Context(), d, func(rec arrow.Record) error {
			users = append(users, rec.Column(0).(*array.String).Value(0))
			return nil
		})
	}
	require.NoError(t, read())
	require.Equal(t, []string{"u1"}, users)

	require.NoError(t, b.Delete(t.Context(), d.Spine.Key))
	err = read()
	require.ErrorIs(t, err, bucket.ErrNotFound)
	require.NotErrorIs(t, err, dataset.ErrNotFound)
	_, err = s.Delete(t.Context(), "prod", "a")
	require.NoError(t, err)
	require.ErrorIs(t, read(), dataset.ErrNotFound)

	d.Spine = nil
	require.NoError(t, read(), "there is none to lose")
}

func TestDatasetsAreListedByPages(t *testing.T) {
	t.Parallel()
	s := newStore(buckettest.NewMemory())
	want := map[string]bool{}
	for _, name := range []string{"a", "a-b", "a_b", "a0", "b", "ab"} {
		_, err := save(t, s, name, 1)
		require.NoError(t, err)
		want[name] = true
	}
	got, after := map[string]bool{}, ""
	for {
		page, err := s.List(t.Context(), "prod", "", after, 2)
		require.NoError(t, err)
		for _, d := range page {
			require.False(t, got[d.Name], "%s comes twice", d.Name)
			got[d.Name] = true
			after = d.Name
		}
		if len(page) < 2 {
			break
		}
	}
	require.Equal(t, want, got)
	page, err := s.List(t.Context(), "prod", "a-", "", 100)
	require.NoError(t, err)
	require.Len(t, page, 1)
	_, err = s.List(t.Context(), "prod", "A", "", 100)
	require.ErrorIs(t, err, dataset.ErrName)
}

// Every call that a save makes fails once, with and without effect.
func TestAFailingBucketLeavesADatasetWholeOrNotAtAll(t *testing.T) {
	t.Parallel()
	for _, fault := range []buckettest.Fault{buckettest.Refused, buckettest.LostAnswer} {
		for failing := 0; ; failing++ {
			memory, calls := buckettest.NewMemory(), 0
			faulty := buckettest.Faulty{Bucket: memory, Hook: func(string, string) buckettest.Fault {
				if calls++; calls == failing+1 {
					return fault
				}
				return buckettest.None
			}}
			_, err := save(t, newStore(faulty), "a", 10)
			s := newStore(memory)
			d, describeErr := s.Describe(t.Context(), "prod", "a")
			if err == nil {
				require.NoError(t, describeErr)
			} else {
				require.ErrorIs(t, describeErr, dataset.ErrNotFound)
				d, err = save(t, s, "a", 10)
				require.NoError(t, err, "the next try succeeds")
			}
			requireRows(t, s, d, 10)
			if calls <= failing {
				break
			}
		}
	}
}

func TestLeftoversAreRemovedAfterADay(t *testing.T) {
	t.Parallel()
	for name, remove := range map[string]func(t *testing.T, s *dataset.Store){
		"by the next save": func(t *testing.T, s *dataset.Store) {
			_, err := save(t, s, "a", 1)
			require.NoError(t, err)
		},
		"by a sweep": func(t *testing.T, s *dataset.Store) {
			dry, err := s.Sweep(t.Context(), "prod", true)
			require.NoError(t, err)
			swept, err := s.Sweep(t.Context(), "prod", false)
			require.NoError(t, err)
			require.Equal(t, int64(2), swept.Objects)
			require.Equal(t, dry, swept)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			b, err := file.Open(dir)
			require.NoError(t, err)
			s := newStore(b)
			kept, err := save(t, s, "kept", 10)
			require.NoError(t, err)
			age(t, dir, kept.Table+"/"+kept.Files[0].Path)
			for _, key := range []string{"datasets/prod/a/1/table/part-0.parquet", "datasets/prod/a/1/spine.csv", "datasets/prod/a/2/young"} {
				require.NoError(t, b.Put(t.Context(), key, []byte("left")))
			}
			age(t, dir, "datasets/prod/a/1/table/part-0.parquet", "datasets/prod/a/1/spine.csv")
			remove(t, s)
			left := strings.Join(objects(t, b), " ")
			require.NotContains(t, left, "prod/a/1/")
			require.Contains(t, left, "prod/a/2/young", "it may belong to a save that goes on")
			requireRows(t, s, kept, 10)
		})
	}
}

// age has files look a day older than they are.
func age(t *testing.T, dir string, keys ...string) {
	old := time.Now().Add(-25 * time.Hour)
	for _, key := range keys {
		require.NoError(t, os.Chtimes(filepath.Join(dir, key), old, old))
	}
}

func TestTheDigestTellsRowsAndNotTheirOrder(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		b := buckettest.NewMemory()
		s := newStore(b)
		saved := 0
		digest := func(numbers []int) string {
			saved++
			w, err := s.Create(t.Context(), "prod", fmt.Sprint("d", saved), schema)
			require.NoError(rt, err)
			for _, n := range numbers {
				require.NoError(rt, w.Write(t.Context(), rows(n, n+1)))
			}
			d, err := w.Commit(t.Context(), now, origin)
			require.NoError(rt, err)
			return d.Digest
		}
		numbers := rapid.SliceOfN(rapid.IntRange(0, 5), 1, 6).Draw(rt, "rows")
		shuffled := rapid.Permutation(numbers).Draw(rt, "shuffled")
		require.Equal(rt, digest(numbers), digest(shuffled))
		other := append([]int{6}, numbers[1:]...)
		require.NotEqual(rt, digest(numbers), digest(other))
		require.NotEqual(rt, digest(numbers), digest(append(numbers, numbers[0])))
	})
}

func TestNamesThatAreMadeUpAreNames(t *testing.T) {
	t.Parallel()
	s := newStore(buckettest.NewMemory())
	require.Regexp(t, `^airport_delays-20010203-040506-[a-z0-9]{4}$`, dataset.NewName("airport_delays", now))
	for _, subject := range []string{"", "Ümlaut.View", strings.Repeat("x", 200)} {
		_, err := save(t, s, dataset.NewName(subject, now), 1)
		require.NoError(t, err, subject)
	}
}
