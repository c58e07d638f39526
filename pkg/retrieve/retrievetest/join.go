package retrievetest

import (
	"fmt"
	"slices"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/stretchr/testify/require"

	"github.com/tilery/tilery/pkg/feature"
	"github.com/tilery/tilery/pkg/retrieve"
)

// Part returns all features of the subject as columns of a result, last one first.
func (s *Subject) Part(prefix string) retrieve.Part {
	p := retrieve.Part{Target: s.Target, Table: s.Table, Snapshot: s.Snapshot()}
	for _, key := range s.JoinKeys() {
		p.Keys = append(p.Keys, spineNames[key.Name])
	}
	for i, name := range s.FeatureNames() {
		p.Features = append(p.Features, retrieve.Column{Feature: i, Name: prefix + name})
	}
	slices.Reverse(p.Features)
	return p
}

// Joined is the result of a join.
type Joined struct {
	Columns []string          // of the features
	Cells   [][]feature.Value // by row of the spine
	Order   []int             // of rows of the spine, as they came
	Report  retrieve.Report
}

// Join joins a spine with all features of subjects. Each row of the spine must come
// once and as it was.
func Join(s *Subject, o retrieve.Options, asks []Ask, recordRows int, more ...*Subject) Joined {
	schema := slices.Clone(spineSchema)
	var parts []retrieve.Part
	for i, subject := range append([]*Subject{s}, more...) {
		part := subject.Part(fmt.Sprint("f", i, "_"))
		features, err := subject.Features()
		require.NoError(s.t, err)
		for _, column := range part.Features {
			schema = append(schema, feature.Field{Name: column.Name, Type: features[column.Feature].Type})
		}
		parts = append(parts, part)
	}
	out := Joined{Columns: schema.Names()[len(spineSchema):], Cells: make([][]feature.Value, len(asks))}
	var err error
	out.Report, err = retrieve.Join(s.ctx, o, spineOf(s.t, asks, recordRows), parts, func(rec arrow.Record) error {
		for _, row := range rowsOf(s.t, schema, rec) {
			number := int(row[1].Int64())
			require.Nil(s.t, out.Cells[number], "row %d came twice", number)
			require.Equal(s.t, asks[number].row(number), row[:len(spineSchema)])
			out.Cells[number] = row[len(spineSchema):]
			out.Order = append(out.Order, number)
		}
		return nil
	})
	require.NoError(s.t, err)
	require.Len(s.t, out.Order, len(asks))
	require.Equal(s.t, int64(len(asks)), out.Report.Rows)
	return out
}

// Reversed returns a row of a result in the order of the view's features, or the other
// way around.
func Reversed(row []feature.Value) []feature.Value {
	row = slices.Clone(row)
	slices.Reverse(row)
	return row
}

// Known reports whether a row has a key and a time.
func (s *Subject) Known(a Ask) bool {
	return a[TimeColumn] != nil && !slices.ContainsFunc(s.JoinKeys(), func(key feature.Field) bool { return a[key.Name] == nil })
}

// Want returns what a join must give for a row, in the order of Part's features.
func (s *Subject) Want(a Ask) []feature.Value {
	features, err := s.Features()
	require.NoError(s.t, err)
	out := make([]feature.Value, len(features))
	if s.Known(a) {
		for i, v := range s.Oracle.At(s.eventsOf(s.Key(a)), s.Key(a), a[TimeColumn].(int64)) {
			out[len(out)-1-i] = Value(features[i].Type, v)
		}
	}
	return out
}
