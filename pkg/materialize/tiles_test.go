package materialize_test

import (
	"cmp"
	"errors"
	"io"
	"math/big"
	"slices"
	"strings"
	"testing"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/stretchr/testify/require"

	"github.com/tilery/tilery/pkg/aggregate"
	"github.com/tilery/tilery/pkg/aggregate/oracle"
	"github.com/tilery/tilery/pkg/feature"
	"github.com/tilery/tilery/pkg/materialize"
	"github.com/tilery/tilery/pkg/offline"
	"github.com/tilery/tilery/pkg/record"
	"github.com/tilery/tilery/pkg/window"
)

// tileID names a tile.
type tileID struct {
	key   string
	start window.Time
}

// tile is a row of a tile table.
type tile struct {
	tileID
	second  string                   // encoded secondary key; empty without one
	columns map[string]feature.Value // less the rests
	rests   map[string]bool          // sum column -> there is a rest
	state   string                   // encoded
}

// readTiles returns the rows of a file in order.
func readTiles(t testing.TB, target *materialize.Target, table offline.Table, f offline.File) []tile {
	t.Helper()
	reader, err := table.OpenFile(t.Context(), f)
	require.NoError(t, err)
	defer func() { require.NoError(t, reader.Close()) }()
	var out []tile
	for {
		rec, err := reader.Next()
		if errors.Is(err, io.EOF) {
			return out
		}
		require.NoError(t, err)
		out = append(out, tilesOf(t, target, rec)...)
	}
}

func tilesOf(t testing.TB, target *materialize.Target, rec arrow.Record) []tile {
	t.Helper()
	joinKeys, keys := len(target.View.JoinKeys()), len(target.Keys)
	encoder, err := record.NewKeyEncoder(target.Keys[:joinKeys], rec.Columns()[:joinKeys])
	require.NoError(t, err)
	seconds, err := record.NewKeyEncoder(target.Keys[joinKeys:], rec.Columns()[joinKeys:keys])
	require.NoError(t, err)
	states := target.Layout.NewStates()
	states.Grow(int(rec.NumRows()))
	groups := make([]int32, rec.NumRows())
	for i := range groups {
		groups[i] = int32(i)
	}
	require.NoError(t, states.MergeColumns(groups, rec.Columns()[keys+1:]))
	out := make([]tile, rec.NumRows())
	for row := range out {
		out[row] = tile{
			tileID:  tileID{string(encoder.Append(nil, row)), window.Time(rec.Column(keys).(*array.Timestamp).Value(row))},
			columns: map[string]feature.Value{}, rests: map[string]bool{},
			state: string(states.AppendEncoded(nil, row)),
		}
		if keys > joinKeys {
			out[row].second = string(seconds.Append(nil, row))
		}
		for i := keys + 1; i < int(rec.NumCols()); i++ {
			name := rec.ColumnName(i)
			if base, ok := strings.CutSuffix(name, "_rest"); ok {
				out[row].rests[base] = rec.Column(i).IsValid(row)
				continue
			}
			out[row].columns[name] = valueAt(t, rec.Column(i), row)
		}
	}
	return out
}

func valueAt(t testing.TB, column arrow.Array, row int) feature.Value {
	if column.IsNull(row) {
		return feature.Null
	}
	switch c := column.(type) {
	case *array.Int64:
		return feature.Int64Value(c.Value(row))
	case *array.Float64:
		return feature.Float64Value(c.Value(row))
	case *array.String:
		return feature.StringValue(c.Value(row))
	}
	require.Fail(t, "unexpected column", column.DataType())
	return feature.Null
}

// naiveTiles computes the tiles of a window from the raw events, by key and start.
func naiveTiles(events []event, w window.Interval, interval window.Time) []tile {
	groups := map[tileID][]event{}
	for _, e := range events {
		if w.Contains(e.at) {
			id := tileID{e.key(), e.at - e.at%interval}
			groups[id] = append(groups[id], e)
		}
	}
	var out []tile
	for id, group := range groups {
		out = append(out, naiveTile(id, group))
	}
	slices.SortFunc(out, func(a, b tile) int { return cmp.Or(cmp.Compare(a.key, b.key), cmp.Compare(a.start, b.start)) })
	return out
}

func naiveTile(id tileID, events []event) tile {
	n, noN := valuesOf(events, func(e event) *int64 { return e.n })
	amount, noAmount := valuesOf(events, func(e event) *float64 { return e.amount })
	label, noLabel := valuesOf(events, func(e event) *string { return e.label })
	sumN, sumNFits := oracle.SumInt64(n, noN)
	sumAmount, amounts := oracle.SumFloat64(amount, noAmount)
	maxN, _ := oracle.Greatest(n, noN, func(a, b int64) bool { return a < b })
	minAmount, _ := oracle.Least(amount, noAmount, oracle.LessFloat64)
	minLabel, labels := oracle.Least(label, noLabel, func(a, b string) bool { return a < b })
	numbers := len(oracle.NotNull(n, noN))
	return tile{
		tileID: id,
		columns: map[string]feature.Value{
			"count_n":      feature.Int64Value(int64(numbers)),
			"sum_n":        orNull(feature.Int64Value(sumN), sumNFits),
			"max_n":        orNull(feature.Int64Value(maxN), numbers > 0),
			"count_amount": feature.Int64Value(int64(len(oracle.NotNull(amount, noAmount)))),
			"sum_amount":   orNull(feature.Float64Value(sumAmount), amounts),
			"min_amount":   orNull(feature.Float64Value(minAmount+0), amounts),
			"min_label":    orNull(feature.StringValue(minLabel), labels),
			"count_label":  feature.Int64Value(int64(len(oracle.NotNull(label, noLabel)))),
		},
		rests: map[string]bool{
			"sum_n":      numbers > 0 && !sumNFits,
			"sum_amount": inexact(oracle.NotNull(amount, noAmount)),
		},
	}
}

func valuesOf[T any](events []event, of func(event) *T) (values []T, null []bool) {
	for _, e := range events {
		v := of(e)
		null = append(null, v == nil)
		if v == nil {
			v = new(T)
		}
		values = append(values, *v)
	}
	return values, null
}

func orNull(v feature.Value, ok bool) feature.Value {
	if !ok {
		return feature.Null
	}
	return v
}

// inexact reports whether the sum of values is no double, or one is no number.
func inexact(values []float64) bool {
	total := new(big.Rat)
	for _, v := range values {
		exact := new(big.Rat).SetFloat64(v)
		if exact == nil {
			return true
		}
		total.Add(total, exact)
	}
	_, exact := total.Float64()
	return !exact
}

// straightState returns the encoded state of events that were added without SQL,
// files or merging.
func straightState(layout *aggregate.Layout, events []event) string {
	rec := recordOf(events)
	defer rec.Release()
	states := layout.NewStates()
	states.Grow(1)
	inputs := make([]arrow.Array, len(layout.Inputs()))
	for i, f := range layout.Inputs() {
		inputs[i] = rec.Column(rec.Schema().FieldIndices(f.Name)[0])
	}
	times := rec.Column(rec.Schema().FieldIndices("ts")[0]).(*array.Timestamp)
	states.Add(make([]int32, len(events)), times.TimestampValues(), inputs)
	return string(states.AppendEncoded(nil, 0))
}
