package retrievetest

import (
	"context"
	"slices"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/stretchr/testify/require"

	"github.com/tilery/tilery/pkg/feature"
	"github.com/tilery/tilery/pkg/retrieve/oracle"
	"github.com/tilery/tilery/pkg/source"
	"github.com/tilery/tilery/pkg/transform"
	"github.com/tilery/tilery/pkg/window"
)

// recordRows is how many rows of a record the engine hands out at most.
const recordRows = 64

// engine is SELECT * over events in memory, whatever the SQL says.
type engine struct {
	t      require.TestingT
	events *[]oracle.Event
}

func (engine) Describe(context.Context, string, []transform.Table) (transform.Description, error) {
	return transform.Description{Schema: Columns}, nil
}

func (e engine) Run(_ context.Context, q transform.Query, fn func(arrow.Record) error) (transform.Stats, error) {
	var rows [][]feature.Value
	for _, event := range *e.events {
		if !q.Interval.Contains(window.Time(event.Time)) {
			continue
		}
		row := make([]feature.Value, len(q.Output))
		for i, f := range q.Output {
			switch f.Name {
			case TimeColumn:
				row[i] = feature.TimestampValue(window.Time(event.Time))
			default:
				row[i] = Value(f.Type, event.Values[f.Name])
			}
		}
		rows = append(rows, row)
	}
	for part := range slices.Chunk(rows, recordRows) {
		rec := recordOf(e.t, q.Output, part)
		err := fn(rec)
		rec.Release()
		if err != nil {
			return transform.Stats{}, err
		}
	}
	return transform.Stats{Rows: int64(len(rows))}, nil
}

// noFiles are sources that the engine does not read.
type noFiles struct{ source.Batch }

func (noFiles) Files(context.Context, feature.BatchSource, window.Interval) (source.Files, error) {
	return source.Files{}, nil
}

func (noFiles) Scan(context.Context, feature.BatchSource, window.Interval) (source.Scan, error) {
	return source.Scan{}, nil
}
