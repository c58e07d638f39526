package rowsort_test

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/apache/arrow/go/v15/arrow/memory"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/tilery/tilery/pkg/feature"
	"github.com/tilery/tilery/pkg/internal/rowsort"
	"github.com/tilery/tilery/pkg/internal/spill"
	"github.com/tilery/tilery/pkg/record"
	"github.com/tilery/tilery/pkg/window"
)

var (
	keys   = feature.Schema{{Name: "user", Type: feature.String}, {Name: "shop", Type: feature.Int64}}
	values = feature.Schema{
		{Name: "x", Type: feature.Float64}, {Name: "y", Type: feature.Float32}, {Name: "flag", Type: feature.Bool},
		{Name: "text", Type: feature.String}, {Name: "list", Type: feature.ArrayOf(feature.Float64)},
	}
)

func schema() *arrow.Schema {
	fields := record.ArrowSchema(keys).Fields()
	fields = append(fields, arrow.Field{Name: "at", Type: arrow.FixedWidthTypes.Timestamp_us})
	return arrow.NewSchema(append(fields, record.ArrowSchema(values).Fields()...), nil)
}

// row is what a sorter is given.
type row struct {
	keys   []feature.Value
	at     window.Time
	values []feature.Value
}

func recordOf(t require.TestingT, rows []row) arrow.Record {
	b := array.NewRecordBuilder(memory.DefaultAllocator, schema())
	defer b.Release()
	for _, r := range rows {
		all := append(slices.Clone(r.keys), feature.TimestampValue(r.at))
		require.NoError(t, record.AppendColumns(b.Fields(), append(all, r.values...)))
	}
	return b.NewRecord()
}

// canonical is a row as bytes that sort as rows do within a part.
func canonical(t require.TestingT, rec arrow.Record) []string {
	encoder, err := record.NewKeyEncoder(keys, rec.Columns()[:len(keys)])
	require.NoError(t, err)
	encodeValues, err := record.NewRowEncoder(values, rec.Columns()[len(keys)+1:])
	require.NoError(t, err)
	var out []string
	for i, at := range rec.Column(len(keys)).(*array.Timestamp).TimestampValues() {
		data := binary.BigEndian.AppendUint64(encoder.Append(nil, i), uint64(at)^1<<63)
		out = append(out, string(encodeValues.Append(data, i)))
	}
	return out
}

// naive sorts the rows of a part.
func naive(t require.TestingT, rows []row, spec rowsort.Spec, part int32) (sorted []string, dropped int64) {
	type place struct{ key, all string }
	var places []place
	for _, r := range rows {
		if spec.Part != nil && spec.Part(r.at) != part {
			continue
		}
		whole := canonical(t, recordOf(t, []row{r}))[0]
		r.values = make([]feature.Value, len(values))
		bare := canonical(t, recordOf(t, []row{r}))[0]
		places = append(places, place{bare, whole})
	}
	if spec.Last {
		last := map[string]string{}
		for _, p := range places {
			last[p.key] = p.all
		}
		dropped = int64(len(places) - len(last))
		places = places[:0]
		for key, all := range last {
			places = append(places, place{key, all})
		}
	}
	slices.SortFunc(places, func(a, b place) int { return cmp.Compare(a.all, b.all) })
	for _, p := range places {
		sorted = append(sorted, p.all)
	}
	return sorted, dropped
}

func newRuns(t testing.TB) *spill.Runs {
	runs := spill.New(spill.Options{Dir: t.TempDir(), MaxBytes: 1 << 30, Stop: func() error { return nil }})
	t.Cleanup(runs.Close)
	return runs
}

func drawRow(rt *rapid.T) row {
	text := func(label string, most int) feature.Value {
		return feature.StringValue(rapid.StringOfN(rapid.SampledFrom([]rune{0, 'a', 'b'}), 0, most, -1).Draw(rt, label))
	}
	number := rapid.SampledFrom([]float64{math.NaN(), math.Float64frombits(0x7ff8000000000099), math.Copysign(0, -1), 0, 1.5, math.Inf(1)})
	user := text("user", 2)
	if rapid.IntRange(0, 3).Draw(rt, "long") == 0 {
		user = feature.StringValue("a longer beginning " + user.Text())
	}
	r := row{
		keys: []feature.Value{user, feature.Int64Value(rapid.Int64Range(-1, 1).Draw(rt, "shop"))},
		at:   window.Time(rapid.Int64Range(-3, 3).Draw(rt, "at")),
		values: []feature.Value{
			feature.Float64Value(number.Draw(rt, "x")), feature.Float32Value(float32(number.Draw(rt, "y"))),
			feature.BoolValue(rapid.Bool().Draw(rt, "flag")), text("text", 30),
			feature.ArrayValue(feature.Float64, []feature.Value{feature.Null, feature.Float64Value(number.Draw(rt, "element"))}),
		},
	}
	for _, of := range [][]feature.Value{r.keys, r.values} {
		if rapid.IntRange(0, 3).Draw(rt, "nulls") == 0 {
			of[rapid.IntRange(0, len(of)-1).Draw(rt, "null")] = feature.Null
		}
	}
	return r
}

// TestRowsComeOutAsANaiveSortHasThem holds in memory and spilled, record for record.
func TestRowsComeOutAsANaiveSortHasThem(t *testing.T) {
	t.Parallel()
	inMemory, spilling := newRuns(t), newRuns(t)
	rapid.Check(t, func(rt *rapid.T) {
		rows := rapid.SliceOfN(rapid.Custom(drawRow), 0, 60).Draw(rt, "rows")
		spec := rowsort.Spec{Keys: keys, Values: values, Schema: schema(), Last: rapid.Bool().Draw(rt, "last")}
		parts := []int32{0}
		if rapid.Bool().Draw(rt, "parts") {
			spec.Part = func(at window.Time) int32 { return int32(at) / 2 }
			parts = []int32{-1, 0, 1, 2}
		}
		sorters := []*rowsort.Sorter{rowsort.New(spec, 1<<30, inMemory), rowsort.New(spec, 3000, spilling)}
		outputs := make([][]byte, len(sorters))
		for i, s := range sorters {
			require.NoError(rt, s.Reset())
			for rest := rows; len(rest) > 0; {
				n := rapid.IntRange(1, len(rest)).Draw(rt, "record")
				rec := recordOf(rt, rest[:n])
				require.NoError(rt, s.Add(rec.NewSlice(0, int64(n))))
				rest = rest[n:]
			}
			all := int64(0)
			for _, part := range parts {
				want, dropped := naive(rt, rows, spec, part)
				all += dropped
				var got []string
				require.NoError(rt, s.Write(part, func(rec arrow.Record) error {
					require.True(rt, rec.Schema().Equal(schema()))
					got = append(got, canonical(rt, rec)...)
					for _, column := range rec.Columns() {
						outputs[i] = fmt.Appendf(outputs[i], "%d %v %x ", part, column, bitsOf(column))
					}
					return nil
				}))
				require.Equal(rt, want, got, "part %d", part)
			}
			require.Equal(rt, all, s.Dropped())
		}
		require.True(rt, bytes.Equal(outputs[0], outputs[1]), "spilled rows are cut and written like others")
	})
	require.Positive(t, spilling.Written())
	require.Zero(t, inMemory.Written())
}

// bitsOf tells NaNs apart.
func bitsOf(column arrow.Array) (bits []uint64) {
	if numbers, ok := column.(*array.Float64); ok {
		for i, v := range numbers.Float64Values() {
			if numbers.IsValid(i) {
				bits = append(bits, math.Float64bits(v))
			}
		}
	}
	return bits
}

// manyRows returns records of rows over some keys; a key has several.
func manyRows(t require.TestingT, r *rand.Rand, rows, keyCount int, name string, sorted bool) []arrow.Record {
	var out []arrow.Record
	for from := 0; from < rows; from += 20_000 {
		b := array.NewRecordBuilder(memory.DefaultAllocator, schema())
		for i := from; i < min(from+20_000, rows); i++ {
			key := r.IntN(keyCount)
			if sorted {
				key = i * keyCount / rows
			}
			b.Field(0).(*array.StringBuilder).Append(fmt.Sprintf(name, key))
			b.Field(1).(*array.Int64Builder).Append(7)
			b.Field(2).(*array.TimestampBuilder).Append(arrow.Timestamp(i % 1000))
			b.Field(3).(*array.Float64Builder).Append(r.Float64())
			b.Field(4).(*array.Float32Builder).AppendNull()
			b.Field(5).(*array.BooleanBuilder).Append(i%2 == 0)
			b.Field(6).(*array.StringBuilder).Append(strings.Repeat("x", r.IntN(10)))
			b.Field(7).(*array.ListBuilder).AppendNull()
		}
		out = append(out, b.NewRecord())
		b.Release()
	}
	require.NotEmpty(t, out)
	return out
}

// TestManyRowsAreDividedAndSpilledAlike has parts that two goroutines sort, keys that
// eight bytes tell apart and others, and runs that are many or one.
func TestManyRowsAreDividedAndSpilledAlike(t *testing.T) {
	t.Parallel()
	for name, last := range map[string]bool{"user_%06d": false, "user_%06d with a longer end": true, "%d": true, "one key": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			records := manyRows(t, rand.New(rand.NewPCG(1, 2)), 100_000, 20_000, name, false)
			spec := rowsort.Spec{Keys: keys, Values: values, Schema: schema(), Last: last}
			var want []string
			var dropped int64
			for _, rec := range records {
				want = append(want, canonical(t, rec)...)
			}
			if last {
				want, dropped = lastOf(t, records)
			}
			slices.Sort(want)
			for _, maxBytes := range []int64{1 << 30, 4 << 20, 1} {
				s := rowsort.New(spec, maxBytes, newRuns(t))
				for _, rec := range records {
					require.NoError(t, s.Add(rec))
				}
				var got []string
				var cuts []int64
				require.NoError(t, s.Write(0, func(rec arrow.Record) error {
					got, cuts = append(got, canonical(t, rec)...), append(cuts, rec.NumRows())
					return nil
				}))
				require.True(t, slices.Equal(want, got))
				require.Equal(t, dropped, s.Dropped())
				require.Equal(t, int64(min(len(want), 64<<10)), cuts[0])
			}
		})
	}
}

func lastOf(t *testing.T, records []arrow.Record) (rows []string, dropped int64) {
	last := map[string]string{}
	n := 0
	for _, rec := range records {
		for i, whole := range canonical(t, rec) {
			n++
			last[fmt.Sprintf("%s %d", rec.Column(0).(*array.String).Value(i), rec.Column(2).(*array.Timestamp).Value(i))] = whole
		}
	}
	for _, whole := range last {
		rows = append(rows, whole)
	}
	return rows, int64(n - len(rows))
}

func TestRecordsAreBounded(t *testing.T) {
	t.Parallel()
	var rows []row
	for i := range 200 {
		r := row{keys: []feature.Value{feature.StringValue("a"), feature.Int64Value(int64(i))}, values: make([]feature.Value, len(values))}
		r.values[3] = feature.StringValue(strings.Repeat("x", 100<<10))
		rows = append(rows, r)
	}
	rec := recordOf(t, rows)
	var cuts [][]int64
	for _, maxBytes := range []int64{1 << 30, 1} {
		s := rowsort.New(rowsort.Spec{Keys: keys, Values: values, Schema: schema()}, maxBytes, newRuns(t))
		require.NoError(t, s.Add(rec))
		var cut []int64
		require.NoError(t, s.Write(0, func(rec arrow.Record) error {
			cut = append(cut, rec.NumRows())
			return nil
		}))
		cuts = append(cuts, cut)
	}
	require.Equal(t, []int64{82, 82, 36}, cuts[0], "of about 8 MiB")
	require.Equal(t, cuts[0], cuts[1])
}

func TestWhatCannotBeSortedIsAnError(t *testing.T) {
	t.Parallel()
	sorter := func() *rowsort.Sorter {
		return rowsort.New(rowsort.Spec{Keys: keys, Values: values, Schema: schema()}, 1<<30, newRuns(t))
	}
	long := row{keys: make([]feature.Value, 2), values: make([]feature.Value, len(values))}
	long.values[3] = feature.StringValue(strings.Repeat("x", record.MaxRowBytes))
	err := sorter().Add(recordOf(t, []row{long}))
	require.ErrorIs(t, err, rowsort.ErrTooLarge)
	require.ErrorContains(t, err, "at most 262144 are allowed")

	long = row{keys: []feature.Value{feature.StringValue(strings.Repeat("x", record.MaxKeyBytes)), feature.Null}, values: make([]feature.Value, len(values))}
	require.ErrorIs(t, sorter().Add(recordOf(t, []row{long})), record.ErrKey)

	rec := recordOf(t, []row{{keys: make([]feature.Value, 2), values: make([]feature.Value, len(values))}})
	fewer := array.NewRecord(arrow.NewSchema(rec.Schema().Fields()[:4], nil), rec.Columns()[:4], rec.NumRows())
	require.ErrorContains(t, sorter().Add(fewer), "record of 4 columns, want 2 keys, the time and 5 values")

	full := spill.New(spill.Options{Dir: t.TempDir(), MaxBytes: 10, Stop: func() error { return nil }})
	defer full.Close()
	s := rowsort.New(rowsort.Spec{Keys: keys, Values: values, Schema: schema()}, 1, full)
	require.ErrorIs(t, s.Add(rec), spill.ErrFull)
}
