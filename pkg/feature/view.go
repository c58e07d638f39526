package feature

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/tilery/tilery/pkg/window"
)

// View is a feature view together with what it refers to: all that an engine
// needs to compute, store and serve it. A feature table is one whose rows are
// ingested: it has no sources and no windows.
type View struct {
	BatchFeatureView
	Entities []Entity
	Sources  []Source
	Ingested bool // a feature table
}

// Source is a source together with how the view sees it.
type Source struct {
	BatchSource
	StartTimeOffset Offset
}

// Visible returns what the SQL of an interval sees of the source: the interval, and
// as much before it as the offset says.
func (s Source) Visible(i window.Interval) window.Interval {
	if s.StartTimeOffset == Unbounded {
		return window.Interval{Start: window.MinTime, End: i.End}
	}
	return window.Interval{Start: max(window.MinTime, i.Start.Add(time.Duration(s.StartTimeOffset))), End: i.End}
}

// View resolves the view or the feature table of that name. The error says what is
// missing.
func (r *Repository) View(name string) (View, error) {
	definition, ok := r.BatchFeatureView(name)
	v := View{BatchFeatureView: definition}
	if !ok {
		table, ok := r.FeatureTable(name)
		if !ok {
			return View{}, fmt.Errorf("no feature view %q", name)
		}
		v = table.view()
	}
	for _, entity := range v.BatchFeatureView.Entities {
		e, ok := r.Entity(entity)
		if !ok {
			return View{}, fmt.Errorf("feature view %q: no entity %q", name, entity)
		}
		v.Entities = append(v.Entities, e)
	}
	for _, source := range definition.Sources {
		s, ok := r.BatchSource(source.Source)
		if !ok {
			return View{}, fmt.Errorf("feature view %q: no source %q", name, source.Source)
		}
		v.Sources = append(v.Sources, Source{s, source.StartTimeOffset})
	}
	return v, nil
}

// JoinKeys returns the join keys of all entities, in order.
func (v View) JoinKeys() []Field {
	var keys []Field
	for _, e := range v.Entities {
		keys = append(keys, e.JoinKeys...)
	}
	return keys
}

// TileKeys returns the columns that a tile is of: the join keys, and
// aggregation_secondary_key if there is one, whose type the Schema tells.
func (v View) TileKeys() ([]Field, error) {
	keys := v.JoinKeys()
	if v.AggregationSecondaryKey == "" {
		return keys, nil
	}
	secondary, ok := v.Schema.Lookup(v.AggregationSecondaryKey)
	switch {
	case !ok:
		return nil, fmt.Errorf("aggregation_secondary_key of %s: no column %q, want one of %s", v.Name, v.AggregationSecondaryKey, strings.Join(v.Schema.Names(), ", "))
	case secondary.Type != String && secondary.Type != Int64:
		return nil, fmt.Errorf("aggregation_secondary_key of %s: %q is %s, want String or Int64", v.Name, secondary.Name, secondary.Type)
	}
	return append(keys, secondary), nil
}

// Features returns the features with their types: those of the aggregations in
// their order, or else the columns of the result other than join keys and
// timestamp in theirs. It needs the Schema that plan fills in.
//
// With aggregation_secondary_key the feature of an aggregation is an array, one
// element for each value of that key which has tiles in the window, and for each
// window the list of those values follows the aggregations.
func (v View) Features() (Schema, error) {
	if !v.Aggregated() {
		if len(v.Schema) == 0 {
			return nil, fmt.Errorf("features of %s: the columns of its result are not known", v.Name)
		}
		return v.featureColumns(), nil
	}
	names := v.FeatureNames()
	keys, err := v.TileKeys()
	if err != nil {
		return nil, err
	}
	secondary := len(keys) > len(v.JoinKeys())
	features := make(Schema, 0, len(names))
	for i, a := range v.Aggregations {
		_, output, err := a.types(v.Schema)
		if err != nil {
			return nil, fmt.Errorf("features of %s: %w", v.Name, err)
		}
		if secondary {
			output = ArrayOf(output)
		}
		features = append(features, Field{names[i], output})
	}
	for _, name := range names[len(features):] {
		features = append(features, Field{name, ArrayOf(keys[len(keys)-1].Type)})
	}
	return features, nil
}

// FeatureNames returns the names of Features; none of a view that stores rows
// while its Schema is not known.
func (v View) FeatureNames() []string {
	if !v.Aggregated() {
		return v.featureColumns().Names()
	}
	return v.aggregatedNames()
}

// featureColumns returns the columns of the result that are neither join key nor timestamp.
func (v View) featureColumns() Schema {
	keys := Schema(v.JoinKeys())
	var out Schema
	for _, column := range v.Schema {
		if _, isKey := keys.Lookup(column.Name); !isKey && column.Name != v.TimestampField {
			out = append(out, column)
		}
	}
	return out
}

// OutputSchema returns the columns that the transformation must return: the
// TileKeys, timestamp field, and the aggregated columns, each once, or else the
// features. Those of a view without aggregations are the columns of its table.
func (v View) OutputSchema() (Schema, error) {
	keys, err := v.TileKeys()
	if err != nil {
		return nil, err
	}
	out := append(Schema(nil), keys...)
	out = append(out, Field{v.TimestampField, Timestamp})
	if !v.Aggregated() {
		features, err := v.Features()
		return append(out, features...), err
	}
	partials, err := Partials(v.Aggregations, v.Schema)
	if err != nil {
		return nil, err
	}
	for _, p := range partials {
		if _, ok := out.Lookup(p.Column); !ok {
			out = append(out, Field{p.Column, p.Type})
		}
	}
	return out, nil
}

// WildcardJoinKey returns the join key that online_serving_index leaves out;
// false when queries must give all of them.
func (v View) WildcardJoinKey() (string, bool) {
	if len(v.OnlineServingIndex) == 0 {
		return "", false
	}
	for _, key := range v.JoinKeys() {
		if !slices.Contains(v.OnlineServingIndex, key.Name) {
			return key.Name, true
		}
	}
	return "", false
}

// DataDelay returns the longest delay of the view's sources, which Tecton calls
// max_source_data_delay: the job of a window that ends at E may start at
// E + DataDelay. Of a feature table it is a microsecond less than nothing, see
// FeatureTable.
func (v View) DataDelay() time.Duration {
	if v.Ingested {
		return -time.Microsecond
	}
	var delay time.Duration
	for _, s := range v.Sources {
		delay = max(delay, time.Duration(s.BatchConfig.DataDelay))
	}
	return delay
}

// MaterializationStart returns where the first window starts. Rows are wanted from
// the window of feature_start_time on; tiles from earlier, so that the first
// value, at feature_start_time, is whole:
//
//	floor(WindowsStart(floor(feature_start_time - data_delay)))
//
// with floor to the batch schedule. What a source shows before a window
// (start_time_offset) does not count: it is read, not materialized.
func (v View) MaterializationStart() window.Time {
	s := v.Schedule()
	if !v.Aggregated() {
		return v.FeatureStartTime.Floor(s)
	}
	return v.WindowsStart(v.FeatureStartTime.Add(-v.DataDelay()).Floor(s)).Floor(s)
}

// Effective returns the effective time of a row: from then on a join sees it, as
// its window ends and its data is complete.
func (v View) Effective(row window.Time) window.Time {
	return row.Floor(v.Schedule()).Add(v.Schedule()).Add(v.DataDelay())
}

// Expires returns when the row of a view without aggregations ends to count; false:
// never.
func (v View) Expires(row window.Time) (window.Time, bool) {
	if v.TTL == 0 {
		return 0, false
	}
	return v.Effective(row.Add(time.Duration(v.TTL))), true
}

// CompleteEnd returns the end of the newest window whose data is complete at now:
// no job can go further.
func (v View) CompleteEnd(now window.Time) window.Time {
	return now.Add(-v.DataDelay()).Floor(v.Schedule())
}

// MaterializationEnd returns the end of the newest window that is wanted at now
// without being asked for by its range: that of CompleteEnd, and with
// manual_trigger_backfill_end_time none after it. It may lie before
// MaterializationStart.
func (v View) MaterializationEnd(now window.Time) window.Time {
	end := v.CompleteEnd(now)
	if v.BatchTrigger == Manual && v.ManualTriggerBackfillEndTime != 0 {
		end = min(end, v.ManualTriggerBackfillEndTime)
	}
	return end
}
