package retrieve_test

import (
	"cmp"
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/apache/arrow/go/v15/arrow/memory"
	"github.com/stretchr/testify/require"

	"github.com/tilery/tilery/pkg/bucket/file"
	"github.com/tilery/tilery/pkg/feature"
	"github.com/tilery/tilery/pkg/materialize"
	"github.com/tilery/tilery/pkg/offline"
	"github.com/tilery/tilery/pkg/offline/delta"
	"github.com/tilery/tilery/pkg/record"
	"github.com/tilery/tilery/pkg/retrieve"
	"github.com/tilery/tilery/pkg/window"
)

// visit is a row of a view by user and shop, with the features n and note.
type visit struct {
	user int64
	shop string
	at   window.Time
	n    int64
}

func visitsView(ttl time.Duration) feature.View {
	keys := feature.Schema{{Name: "user", Type: feature.Int64}, {Name: "shop", Type: feature.String}}
	schema := append(slices.Clone(keys), feature.Schema{
		{Name: "ts", Type: feature.Timestamp}, {Name: "n", Type: feature.Int64}, {Name: "note", Type: feature.String},
	}...)
	return feature.View{
		BatchFeatureView: feature.BatchFeatureView{
			Metadata: feature.Metadata{Name: "visits"}, Entities: []string{"visitor"}, TimestampField: "ts", Schema: schema,
			BatchSchedule: feature.Duration(day), FeatureStartTime: benchStart, TTL: feature.Duration(ttl), Offline: true,
		},
		Entities: []feature.Entity{{Metadata: feature.Metadata{Name: "visitor"}, JoinKeys: keys}},
	}
}

// days is the interval of a day, or of some.
func days(from, count int) window.Interval {
	return window.Interval{Start: benchStart.Add(time.Duration(from) * day), End: benchStart.Add(time.Duration(from+count) * day)}
}

// noteOf is a feature that is long at times.
func noteOf(v visit) string { return fmt.Sprint(v.n, v.shop) + strings.Repeat("!", int(v.n%7)*100) }

// writeVisits makes a table with a file for each of some days, and a part of all its features.
func writeVisits(t testing.TB, view feature.View, count int, visits []visit) retrieve.Part {
	target, err := materialize.NewTarget("test", 1, view)
	require.NoError(t, err)
	bucket, err := file.Open(t.TempDir())
	require.NoError(t, err)
	table, err := delta.New(bucket, delta.Options{ScratchDir: t.TempDir(), RowGroupRows: 100}).Open(t.Context(), target.Table(benchStart))
	require.NoError(t, err)
	visits = slices.SortedFunc(slices.Values(visits), func(a, b visit) int {
		return cmp.Or(cmp.Compare(a.user, b.user), cmp.Compare(a.shop, b.shop), cmp.Compare(a.at, b.at), cmp.Compare(a.n, b.n))
	})
	byDay := map[window.Time][]visit{}
	for _, v := range visits {
		byDay[v.at.Floor(day)] = append(byDay[v.at.Floor(day)], v)
	}
	commit := offline.Commit{ID: "1", Job: "test", Generation: 1}
	for _, w := range days(0, count).Split(day) {
		writer, err := table.NewWriter(t.Context(), w, benchStart.Add(1000*day), "attempt")
		require.NoError(t, err)
		b := array.NewRecordBuilder(memory.DefaultAllocator, table.Spec().Schema)
		for _, v := range byDay[w.Start] {
			require.NoError(t, record.AppendColumns(b.Fields(), []feature.Value{
				feature.Int64Value(v.user), feature.StringValue(v.shop), feature.TimestampValue(v.at), feature.Int64Value(v.n), feature.StringValue(noteOf(v)),
			}))
		}
		rec := b.NewRecord()
		require.NoError(t, writer.Write(rec))
		build, err := writer.Close(t.Context())
		require.NoError(t, err)
		commit.Builds = append(commit.Builds, build)
	}
	_, err = table.Commit(t.Context(), commit)
	require.NoError(t, err)
	snapshot, err := table.Snapshot(t.Context())
	require.NoError(t, err)
	return retrieve.Part{
		Target: target, Table: table, Snapshot: snapshot, Keys: []string{"who", "where"},
		Features: []retrieve.Column{{Feature: 1, Name: "note"}, {Feature: 0, Name: "n"}},
	}
}

var asksSchema = feature.Schema{{Name: "where", Type: feature.String}, {Name: "when", Type: feature.Timestamp}, {Name: "who", Type: feature.Int64}, {Name: "row", Type: feature.Int64}}

// ask is a row of a spine; nil is null.
type ask struct {
	user *int64
	shop *string
	at   *window.Time
}

func (a ask) row(number int) []feature.Value {
	row := []feature.Value{feature.Null, feature.Null, feature.Null, feature.Int64Value(int64(number))}
	if a.shop != nil {
		row[0] = feature.StringValue(*a.shop)
	}
	if a.at != nil {
		row[1] = feature.TimestampValue(*a.at)
	}
	if a.user != nil {
		row[2] = feature.Int64Value(*a.user)
	}
	return row
}

// naive is the features of a row, given all visits.
func (a ask) naive(visits []visit) []feature.Value {
	var best *visit
	for i, v := range visits {
		if a.user == nil || a.shop == nil || a.at == nil || v.user != *a.user || v.shop != *a.shop || v.at.Floor(day).Add(day) > *a.at {
			continue
		}
		if best == nil || cmp.Or(cmp.Compare(v.at, best.at), cmp.Compare(v.n, best.n)) > 0 {
			best = &visits[i]
		}
	}
	if best == nil {
		return []feature.Value{feature.Null, feature.Null}
	}
	return []feature.Value{feature.StringValue(noteOf(*best)), feature.Int64Value(best.n)}
}

func asksRecord(t testing.TB, schema feature.Schema, first int, asks []ask) arrow.Record {
	b := array.NewRecordBuilder(memory.DefaultAllocator, record.ArrowSchema(schema))
	for i, a := range asks {
		row := a.row(first + i)
		if schema[2].Type == feature.Int32 && a.user != nil {
			row[2] = feature.Int32Value(int32(*a.user))
		}
		require.NoError(t, record.AppendColumns(b.Fields(), row))
	}
	return b.NewRecord()
}

// drawVisits are visits and a spine by chance, some rows of which have nulls.
func drawVisits(seed uint64, count, visits, asks int) ([]visit, []ask) {
	random := rand.New(rand.NewPCG(seed, 0))
	shops := []string{"", "a", "a\x00", "b"}
	at := func() window.Time {
		return benchStart.Add(time.Duration(random.Int64N(int64(time.Duration(count) * day)))).Floor(time.Hour)
	}
	var rows []visit
	for range visits {
		rows = append(rows, visit{random.Int64N(40) - 20, shops[random.IntN(len(shops))], at(), random.Int64N(1000)})
	}
	var spine []ask
	for range asks {
		user, shop, when := random.Int64N(44)-22, shops[random.IntN(len(shops))], at().Add(2*day)
		a := ask{&user, &shop, &when}
		switch random.IntN(30) {
		case 0:
			a.user = nil
		case 1:
			a.shop = nil
		case 2:
			a.at = nil
		}
		spine = append(spine, a)
	}
	return rows, spine
}

// spyTable counts scans.
type spyTable struct {
	offline.Table
	scans, closed atomic.Int64
	err           error
}

func (s *spyTable) Scan(ctx context.Context, f offline.File, selection offline.Selection) (offline.Scanner, error) {
	if s.err != nil {
		return nil, s.err
	}
	s.scans.Add(1)
	scanner, err := s.Table.Scan(ctx, f, selection)
	return &spyScanner{scanner, s}, err
}

type spyScanner struct {
	offline.Scanner
	of *spyTable
}

func (s *spyScanner) Close() error {
	s.of.closed.Add(1)
	return s.Scanner.Close()
}
