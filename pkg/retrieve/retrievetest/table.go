package retrievetest

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/tilery/tilery/pkg/feature"
	"github.com/tilery/tilery/pkg/offline"
	"github.com/tilery/tilery/pkg/record"
	"github.com/tilery/tilery/pkg/retrieve/oracle"
	"github.com/tilery/tilery/pkg/window"
)

// DrawTable draws a feature table.
func DrawTable(t *rapid.T) *View {
	keys := rapid.SampledFrom([]feature.Schema{Columns[:1], Columns[1:2], Columns[:2]}).Draw(t, "keys")
	ttl := rapid.SampledFrom([]time.Duration{0, time.Second, 90 * time.Minute, 20 * time.Hour}).Draw(t, "ttl")
	v := newView(keys, time.Hour, 0, 0)
	table := feature.FeatureTable{
		Metadata: v.Metadata, Entities: v.BatchFeatureView.Entities, TTL: feature.Duration(ttl), Online: true, Offline: true,
	}
	v.Oracle = oracle.Definition{Schedule: 1, Delay: -1, FeatureStart: int64(window.MinTime), TTL: ttl.Microseconds()}
	for _, f := range Columns {
		if f.Type == feature.Timestamp && f.Name != TimeColumn { // it has one
			continue
		}
		table.Schema = append(table.Schema, f)
		if _, isKey := keys.Lookup(f.Name); !isKey && f.Name != TimeColumn {
			v.Oracle.Columns = append(v.Oracle.Columns, f.Name)
		}
	}
	r := feature.Repository{Entities: v.Entities, FeatureTables: []feature.FeatureTable{table}}
	var err error
	v.View, err = r.View(table.Name)
	require.NoError(t, err)
	return v
}

// fillTable draws frames, some of them alike, and makes them visible in another order
// than that of their ingests. Files are compacted at times.
func (s *Subject) fillTable(t *rapid.T) {
	span := s.Span(rapid.IntRange(1, 8).Draw(t, "hours"))
	var frames []int64
	for range rapid.IntRange(1, 5).Draw(t, "frames") {
		frames = append(frames, int64(len(frames)+1))
	}
	var before []oracle.Event
	for _, sequence := range rapid.Permutation(frames).Draw(t, "order of commits") {
		events := s.EventsOf(t, "frame", span)
		for _, e := range before { // at its time there is another one
			if rapid.IntRange(0, 3).Draw(t, "again") == 0 {
				other := s.Event(rapid.Uint64().Draw(t, "other"), span)
				other.Time, other.Key = e.Time, e.Key
				for _, key := range s.JoinKeys() {
					other.Values[key.Name] = e.Values[key.Name]
				}
				events = append(events, other)
			}
		}
		before = events[:min(20, len(events))]
		s.Ingest(sequence, events)
		if rapid.IntRange(0, 3).Draw(t, "compact") == 0 {
			s.Compact()
		}
	}
}

// Ingest makes the rows of a frame visible. Of those with one key and time the last counts.
func (s *Subject) Ingest(sequence int64, events []oracle.Event) {
	events = lastOf(events)
	encode := func(e oracle.Event) []byte {
		var values []feature.Value
		for _, key := range s.JoinKeys() {
			values = append(values, Value(key.Type, e.Values[key.Name]))
		}
		key, err := record.AppendKey(nil, s.JoinKeys(), values)
		require.NoError(s.t, err)
		return key
	}
	slices.SortFunc(events, func(a, b oracle.Event) int {
		return cmp.Or(slices.Compare(encode(a), encode(b)), cmp.Compare(a.Time, b.Time))
	})
	columns, err := s.OutputSchema()
	require.NoError(s.t, err)
	columns = append(columns, feature.Field{Name: feature.IngestSequence, Type: feature.Int64})
	var rows [][]feature.Value
	for _, e := range events {
		row := make([]feature.Value, len(columns))
		for i, f := range columns {
			switch f.Name {
			case TimeColumn:
				row[i] = feature.TimestampValue(window.Time(e.Time))
			case feature.IngestSequence:
				row[i] = feature.Int64Value(sequence)
			default:
				row[i] = Value(f.Type, e.Values[f.Name])
			}
		}
		rows = append(rows, row)
	}
	s.ids++
	writer, err := s.Table.NewAppender(s.ctx, fmt.Sprint("attempt-", s.ids))
	require.NoError(s.t, err)
	for part := range slices.Chunk(rows, recordRows) {
		rec := recordOf(s.t, columns, part)
		require.NoError(s.t, writer.Write(array.NewRecord(s.Table.Spec().Schema, rec.Columns(), rec.NumRows())))
	}
	build, err := writer.Close(s.ctx)
	require.NoError(s.t, err)
	build.Append = fmt.Sprint("frame-", sequence)
	result, err := s.Table.Commit(s.ctx, offline.Commit{
		ID: fmt.Sprint("commit-", s.ids), Job: "test", Generation: 1, Online: true, Builds: []offline.Build{build},
	})
	require.NoError(s.t, err)
	require.Equal(s.t, []offline.Outcome{offline.Committed}, result.Outcomes)
	s.committed[window.Time(sequence)] = events
	s.byKey = nil
}

// lastOf returns of events with one key and time the last.
func lastOf(events []oracle.Event) []oracle.Event {
	type place struct {
		key  any
		time int64
	}
	last := map[place]int{}
	for i, e := range events {
		last[place{e.Key, e.Time}] = i
	}
	var out []oracle.Event
	for i, e := range events {
		if last[place{e.Key, e.Time}] == i {
			out = append(out, e)
		}
	}
	return out
}
