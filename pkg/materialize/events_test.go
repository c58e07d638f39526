package materialize_test

import (
	"context"
	"math"
	"math/rand/v2"
	"os"
	"testing"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/apache/arrow/go/v15/arrow/memory"
	"github.com/apache/arrow/go/v15/parquet"
	"github.com/apache/arrow/go/v15/parquet/pqarrow"
	"github.com/stretchr/testify/require"

	"github.com/tilery/tilery/pkg/feature"
	"github.com/tilery/tilery/pkg/record"
	"github.com/tilery/tilery/pkg/transform"
	"github.com/tilery/tilery/pkg/window"
)

// event is a row of the source; nil is null.
type event struct {
	user   *int64
	shop   *string
	at     window.Time
	n      *int64
	amount *float64
	label  *string
}

var eventSchema = feature.Schema{
	{Name: "user", Type: feature.Int64}, {Name: "shop", Type: feature.String}, {Name: "ts", Type: feature.Timestamp},
	{Name: "n", Type: feature.Int64}, {Name: "amount", Type: feature.Float64}, {Name: "label", Type: feature.String},
}

var eventKeys = []feature.Field(eventSchema[:2])

// key returns the encoded join keys.
func (e event) key() string {
	values := make([]feature.Value, 2)
	if e.user != nil {
		values[0] = feature.Int64Value(*e.user)
	}
	if e.shop != nil {
		values[1] = feature.StringValue(*e.shop)
	}
	key, err := record.AppendKey(nil, eventKeys, values)
	if err != nil {
		panic(err) //nolint:forbidigo // both values are of the keys' types, and short
	}
	return string(key)
}

func ptr[T any](v T) *T { return &v }

// sometimes is one of values, or null.
func sometimes[T any](r *rand.Rand, values ...T) *T {
	if i := r.IntN(len(values) + 1); i < len(values) {
		return &values[i]
	}
	return nil
}

// randomEvents returns events over few keys, with nulls everywhere but in the
// time, ties, and amounts whose sum depends on the order unless it is exact.
func randomEvents(r *rand.Rand, count int, within window.Interval) []event {
	events := make([]event, count)
	for i := range events {
		at := within.Start + window.Time(r.Int64N(int64(within.End-within.Start)))
		if i > 0 && r.IntN(5) == 0 {
			at = events[i-1].at
		}
		events[i] = event{
			user: sometimes[int64](r, -1, 0, 1, math.MaxInt64), shop: sometimes(r, "", "a", "ab", "é"), at: at,
			n:      sometimes[int64](r, 0, 1, -7, math.MaxInt64, math.MinInt64, r.Int64N(100)),
			amount: sometimes(r, 1e300, -1e300, 1, 0.1, -0.1, 1e-300, math.Copysign(0, -1), r.NormFloat64()),
			label:  sometimes(r, "", "x", "y\tz"),
		}
		if r.IntN(200) == 0 {
			events[i].amount = sometimes(r, math.NaN(), math.Inf(1), math.Inf(-1))
		}
	}
	return events
}

// recordOf returns events as a record of eventSchema.
func recordOf(events []event) arrow.Record {
	b := array.NewRecordBuilder(memory.DefaultAllocator, record.ArrowSchema(eventSchema))
	defer b.Release()
	for _, e := range events {
		appendTo(b.Field(0).(*array.Int64Builder), e.user)
		appendTo(b.Field(1).(*array.StringBuilder), e.shop)
		b.Field(2).(*array.TimestampBuilder).Append(arrow.Timestamp(e.at))
		appendTo(b.Field(3).(*array.Int64Builder), e.n)
		appendTo(b.Field(4).(*array.Float64Builder), e.amount)
		appendTo(b.Field(5).(*array.StringBuilder), e.label)
	}
	return b.NewRecord()
}

func appendTo[T any](b interface {
	Append(T)
	AppendNull()
}, v *T) {
	if v == nil {
		b.AppendNull()
		return
	}
	b.Append(*v)
}

func writeParquet(t testing.TB, path string, events []event) {
	t.Helper()
	r := recordOf(events)
	defer r.Release()
	out, err := os.Create(path)
	require.NoError(t, err)
	w, err := pqarrow.NewFileWriter(r.Schema(), out, parquet.NewWriterProperties(), pqarrow.DefaultWriterProps())
	require.NoError(t, err)
	require.NoError(t, w.Write(r))
	require.NoError(t, w.Close())
}

// memoryEngine is SELECT * over events in memory.
type memoryEngine struct{ events *[]event }

func (memoryEngine) Describe(context.Context, string, []transform.Table) (transform.Description, error) {
	return transform.Description{Schema: eventSchema}, nil
}

func (m memoryEngine) Run(_ context.Context, q transform.Query, fn func(arrow.Record) error) (transform.Stats, error) {
	var inside []event
	for _, e := range *m.events {
		if q.Interval.Contains(e.at) {
			inside = append(inside, e)
		}
	}
	for from := 0; from < len(inside); from += 100 {
		all := recordOf(inside[from:min(from+100, len(inside))])
		columns := make([]arrow.Array, len(q.Output))
		for i, f := range q.Output {
			columns[i] = all.Column(all.Schema().FieldIndices(f.Name)[0])
		}
		out := array.NewRecord(record.ArrowSchema(q.Output), columns, all.NumRows())
		err := fn(out)
		out.Release()
		all.Release()
		if err != nil {
			return transform.Stats{}, err
		}
	}
	return transform.Stats{Rows: int64(len(inside))}, nil
}
