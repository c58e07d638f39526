package feature

import (
	"fmt"
	"slices"
	"time"

	"github.com/tilery/tilery/pkg/window"
)

// View is a feature view together with what it refers to: all that an engine
// needs to compute, store and serve it.
type View struct {
	BatchFeatureView
	Entities []Entity
	Sources  []Source
}

// Source is a source together with how the view sees it.
type Source struct {
	BatchSource
	StartTimeOffset Offset
}

// View resolves the view of that name. The error says what is missing.
func (r *Repository) View(name string) (View, error) {
	definition, ok := r.BatchFeatureView(name)
	if !ok {
		return View{}, fmt.Errorf("no feature view %q", name)
	}
	v := View{BatchFeatureView: definition}
	for _, entity := range definition.Entities {
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

// Features returns the features with their types: those of the aggregations in
// their order, or else the columns of the result other than join keys and
// timestamp in theirs. It needs the Schema that plan fills in.
func (v View) Features() (Schema, error) {
	if !v.Aggregated() {
		if len(v.Schema) == 0 {
			return nil, fmt.Errorf("features of %s: the columns of its result are not known", v.Name)
		}
		return v.featureColumns(), nil
	}
	features := make(Schema, len(v.Aggregations))
	for i, a := range v.Aggregations {
		_, output, err := a.types(v.Schema)
		if err != nil {
			return nil, fmt.Errorf("features of %s: %w", v.Name, err)
		}
		features[i] = Field{a.FeatureName(v.AggregationInterval), output}
	}
	return features, nil
}

// FeatureNames returns the names of Features; none of a view that stores rows
// while its Schema is not known.
func (v View) FeatureNames() []string {
	if !v.Aggregated() {
		return v.featureColumns().Names()
	}
	names := make([]string, len(v.Aggregations))
	for i, a := range v.Aggregations {
		names[i] = a.FeatureName(v.AggregationInterval)
	}
	return names
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

// OutputSchema returns the columns that the transformation must return: join
// keys, timestamp field, and the aggregated columns, each once, or else the
// features. Those of a view without aggregations are the columns of its table.
func (v View) OutputSchema() (Schema, error) {
	out := append(Schema(nil), v.JoinKeys()...)
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
// E + DataDelay.
func (v View) DataDelay() time.Duration {
	var delay time.Duration
	for _, s := range v.Sources {
		delay = max(delay, time.Duration(s.BatchConfig.DataDelay))
	}
	return delay
}

// LongestWindow returns the longest time window of the aggregations; zero without any.
func (v View) LongestWindow() time.Duration {
	var longest time.Duration
	for _, a := range v.Aggregations {
		longest = max(longest, time.Duration(a.TimeWindow))
	}
	return longest
}

// MaterializationStart returns where the first window starts. Rows are wanted from
// the window of feature_start_time on; tiles from earlier, so that the first
// value, at feature_start_time, is whole:
//
//	floor(floor(feature_start_time - data_delay) - longest window)
//
// with floor to the batch schedule. What a source shows before a window
// (start_time_offset) does not count: it is read, not materialized.
func (v View) MaterializationStart() window.Time {
	s := v.Schedule()
	if !v.Aggregated() {
		return v.FeatureStartTime.Floor(s)
	}
	return v.FeatureStartTime.Add(-v.DataDelay()).Floor(s).Add(-v.LongestWindow()).Floor(s)
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
