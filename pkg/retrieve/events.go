package retrieve

import (
	"context"
	"fmt"
	"slices"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/apache/arrow/go/v15/arrow/memory"

	"github.com/tilery/tilery/pkg/feature"
	"github.com/tilery/tilery/pkg/record"
	"github.com/tilery/tilery/pkg/window"
)

// Columns of results without a spine.
const (
	TimestampColumn = "timestamp"            // of a view with aggregations: the end of its windows
	EffectiveColumn = "_effective_timestamp" // from when on a join gives the row's features
)

// EventsRequest says which events of a view are wanted.
type EventsRequest struct {
	Range    window.Interval // of the feature timestamp; its zero value: all
	Entities *Spine          // whose columns are the join keys and none else, and which has no Time; nil: all
}

// Events hands the features of a view to fn, a row for each of its events, in the order
// of the keys and the time. The events of a view that stores rows are these. Those of
// a feature table are the rows that count: of each key and time the one of the last
// ingest. Those of a view with aggregations are the ends of its batch schedule at which a tile of the
// key ended since the one before; their features are the windows up to there. Events
// before feature_start_time, or with a null in a join key, are left out. Columns are the join keys, the timestamp, the
// part's features and EffectiveColumn. A record is valid until fn returns. ErrSpine is
// entities with other columns, or too many of them.
func Events(ctx context.Context, o Options, part Part, r EventsRequest, fn func(arrow.Record) error) (Report, error) {
	e, err := newEvents(ctx, o.withDefaults(), part, r, fn)
	if err != nil {
		return Report{}, err
	}
	if err := e.run(ctx); err != nil {
		return Report{}, fmt.Errorf("events of view %s: %w", part.Target.View.Name, err)
	}
	report := Report{Rows: e.join.rows}
	if missing, some := e.walk.part.uncovered(); some {
		report.Uncovered = append(report.Uncovered, missing)
	}
	return report, nil
}

// EventsResult returns the columns of what Events makes of a part.
func EventsResult(part Part) (feature.Schema, error) {
	view := part.Target.View
	name := TimestampColumn
	if !view.Aggregated() {
		name = view.TimestampField
	}
	columns, err := Result(append(spineKeys(part), feature.Field{Name: name, Type: feature.Timestamp}), []Part{part})
	if err != nil {
		return nil, err
	}
	if _, taken := columns.Lookup(EffectiveColumn); taken {
		return nil, fmt.Errorf("%w: %q is the name of a column of view %s and of the effective time", ErrSpine, EffectiveColumn, view.Name)
	}
	return append(columns, feature.Field{Name: EffectiveColumn, Type: feature.Timestamp}), nil
}

func spineKeys(part Part) feature.Schema {
	keys := slices.Clone(feature.Schema(part.Target.View.JoinKeys()))
	for i := range keys {
		keys[i].Name = part.Keys[i]
	}
	return keys
}

// events is one call of Events. The rows that are sorted have the keys, the timestamp
// and the effective time, and then the features of a view that stores rows; those of
// a view with aggregations are joined. Rows of a feature table have a rank at the end, so
// that of each key and time the row of the last ingest comes first.
type events struct {
	join   *join
	walk   tableWalk
	sorter rowSorter
	keys   int
	last   []byte // key and time of the row before
}

func newEvents(ctx context.Context, o Options, part Part, r EventsRequest, fn func(arrow.Record) error) (*events, error) {
	result, err := EventsResult(part)
	if err != nil {
		return nil, err
	}
	aggregated := part.Target.View.Aggregated()
	keys, last := len(part.Keys), len(result)-1
	sorted := append(slices.Clone(result[:keys+1]), result[last])
	var joined []Part
	if aggregated {
		joined = []Part{part}
	} else {
		sorted = append(sorted, result[keys+1:last]...)
	}
	e := &events{keys: keys}
	schema := record.ArrowSchema(result)
	reordered := func(rec arrow.Record) error {
		columns := slices.Clone(rec.Columns())
		columns = slices.Delete(columns, keys+1, keys+2)
		out := array.NewRecord(schema, append(columns, rec.Column(keys+1)), rec.NumRows())
		defer out.Release()
		return fn(out)
	}
	spine := Spine{Schema: sorted, Time: EffectiveColumn}
	if e.join, err = newJoin(o, spine, joined, reordered); err != nil {
		return nil, err
	}
	if err := e.newWalk(ctx, part, r); err != nil {
		return nil, err
	}
	order := append(slices.Clone(e.walk.part.spine), keys)
	if part.Target.View.Ingested {
		order = append(order, len(sorted))
		sorted = append(sorted, feature.Field{Name: feature.IngestSequence, Type: feature.Int64})
	}
	e.sorter = rowSorter{
		options: o, schema: sorted, columns: order,
		full:    func(rows int, bytes int64) bool { return e.join.budget.full(rows, bytes) }, // which changes
		spilled: func(bytes int64) { e.join.advance(0, bytes) },
	}
	return e, nil
}

func (e *events) newWalk(ctx context.Context, from Part, r EventsRequest) error {
	prepared, err := preparePart(e.join.spine.spine, from)
	if err != nil {
		return err
	}
	if len(e.join.parts) > 0 {
		prepared = e.join.parts[0] // so that the report has what the windows need
	}
	e.walk = tableWalk{part: prepared, onRead: func() { e.join.advance(0, 0) }}
	if r.Entities != nil {
		if e.walk.entities, err = entityKeys(ctx, e.join.options, from, *r.Entities); err != nil {
			return err
		}
	}
	view := from.Target.View
	asked := r.Range
	if asked == (window.Interval{}) {
		asked = window.Between(nil, nil)
	}
	asked.Start = max(asked.Start, view.FeatureStartTime)
	asked.End = min(asked.End, window.MaxTime)
	if view.Aggregated() {
		s := view.Schedule()
		asked = window.Interval{Start: asked.Start.Ceil(s).Add(-s), End: (asked.End - 1).Floor(s)}
	}
	e.walk.within = asked
	prepared.needRange(asked)
	return nil
}

// needRange has the report tell what is not covered of a range; of one without an end,
// up to the newest data.
func (p *part) needRange(within window.Interval) {
	schedule := p.Target.View.Schedule()
	if covered := p.Target.Covered(p.Snapshot); within.End > window.MaxTime.Add(-2*schedule) && len(covered) > 0 {
		within.End = covered[len(covered)-1].End
	}
	if !within.Empty() {
		p.needs.add(within.Widen(schedule))
	}
}

func (e *events) run(ctx context.Context) error {
	switch view := e.walk.part.Target.View; {
	case view.Ingested:
		return e.sorter.sort(ctx, func(add func(arrow.Record) error) error { return e.eachRow(ctx, add) }, func(b *block) error {
			first, err := e.distinct(b)
			if err != nil {
				return err
			}
			return e.join.join(ctx, e.withoutRank(first))
		})
	case view.Aggregated():
		return e.sorter.sort(ctx, func(add func(arrow.Record) error) error { return e.eachEdge(ctx, add) }, func(b *block) error {
			distinct, err := e.distinct(b)
			if err != nil {
				return err
			}
			return e.join.join(ctx, distinct)
		})
	}
	return e.sorter.sort(ctx, func(add func(arrow.Record) error) error { return e.eachRow(ctx, add) }, func(b *block) error {
		return e.join.join(ctx, b)
	})
}

// eachRow hands the rows of the table to add.
func (e *events) eachRow(ctx context.Context, add func(arrow.Record) error) error {
	p := e.walk.part
	var features []int
	for _, column := range p.Features {
		features = append(features, column.Feature)
	}
	l := newLatest(p.Target, features)
	e.walk.columns = l.columns()
	return e.walk.each(ctx, func(rec arrow.Record, rows []int32) error {
		columns := slices.Clone(rec.Columns()[:e.keys+1])
		for _, from := range l.from {
			columns = append(columns, rec.Column(e.keys+1+from))
		}
		columns, err := record.TakeColumns(columns, rows)
		if err != nil {
			return err
		}
		columns = slices.Insert(columns, e.keys+1, timesOf(columns[e.keys], p.Target.View.Effective))
		if sequences := l.sequences(rec); sequences != nil {
			columns = append(columns, ranks(sequences, rows))
		}
		return add(array.NewRecord(record.ArrowSchema(e.sorter.schema), columns, int64(len(rows))))
	})
}

// ranks returns a column whose order is the reverse of that of the rows' sequences.
func ranks(sequences []int64, rows []int32) arrow.Array {
	b := array.NewInt64Builder(memory.DefaultAllocator)
	defer b.Release()
	b.Reserve(len(rows))
	for _, row := range rows {
		b.UnsafeAppend(^sequences[row])
	}
	return b.NewArray()
}

// withoutRank returns rows without their last column.
func (e *events) withoutRank(b *block) *block {
	out := &block{}
	for _, rec := range b.records {
		out.add(array.NewRecord(e.join.spine.schema, rec.Columns()[:rec.NumCols()-1], rec.NumRows()))
	}
	return out
}

// eachEdge hands the ends of the schedule at which tiles ended to add. Some come more
// than once: those with tiles in several files, or of several secondary keys.
func (e *events) eachEdge(ctx context.Context, add func(arrow.Record) error) error {
	p := e.walk.part
	schedule, delay := p.Target.View.Schedule(), p.Target.View.DataDelay()
	timeColumn := len(p.Target.Keys)
	return e.walk.each(ctx, func(rec arrow.Record, rows []int32) error {
		encoder, err := record.NewKeyEncoder(p.keys, rec.Columns()[:e.keys])
		if err != nil {
			return err
		}
		times := rec.Column(timeColumn).(*array.Timestamp).TimestampValues()
		var kept []int32
		var key, before []byte
		edge := window.MinTime
		for _, row := range rows {
			key = encoder.Append(key[:0], int(row))
			own := window.Time(times[row]).Floor(schedule).Add(schedule)
			if own == edge && slices.Equal(key, before) {
				continue
			}
			kept, edge, before = append(kept, row), own, append(before[:0], key...)
		}
		columns, err := record.TakeColumns(append(slices.Clone(rec.Columns()[:e.keys]), rec.Column(timeColumn)), kept)
		if err != nil {
			return err
		}
		edges := timesOf(columns[e.keys], func(t window.Time) window.Time { return t.Floor(schedule).Add(schedule) })
		effective := timesOf(edges, func(t window.Time) window.Time { return t.Add(delay) })
		return add(array.NewRecord(e.join.spine.schema, append(columns[:e.keys], edges, effective), int64(len(kept))))
	})
}

// distinct returns sorted rows without those that equal the one before.
func (e *events) distinct(b *block) (*block, error) {
	out := &block{}
	fields := e.sorter.schema[:e.keys+1]
	var key []byte
	for _, rec := range b.records {
		encoder, err := record.NewRowEncoder(fields, rec.Columns()[:e.keys+1])
		if err != nil {
			return nil, err
		}
		var kept []record.Place
		for row := range int32(rec.NumRows()) {
			if key = encoder.Append(key[:0], int(row)); slices.Equal(key, e.last) {
				continue
			}
			e.last = append(e.last[:0], key...)
			kept = append(kept, record.PlaceOf(0, row))
		}
		if len(kept) == 0 {
			continue
		}
		own, err := takeRecord([]arrow.Record{rec}, kept)
		if err != nil {
			return nil, err
		}
		out.add(own)
	}
	return out, nil
}

// timesOf returns a column of times that are made of others, none of which is null.
func timesOf(column arrow.Array, of func(window.Time) window.Time) arrow.Array {
	times := make([]window.Time, 0, column.Len())
	for _, at := range column.(*array.Timestamp).TimestampValues() {
		times = append(times, of(window.Time(at)))
	}
	return timeColumn(times)
}

func timeColumn(times []window.Time) arrow.Array {
	b := array.NewTimestampBuilder(memory.DefaultAllocator, record.ArrowType(feature.Timestamp).(*arrow.TimestampType))
	defer b.Release()
	b.Reserve(len(times))
	for _, at := range times {
		b.UnsafeAppend(arrow.Timestamp(at))
	}
	return b.NewArray()
}
