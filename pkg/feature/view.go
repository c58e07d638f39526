package feature

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
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

// FeatureNames returns the features' names in the order of the aggregations.
func (v View) FeatureNames() []string {
	names := make([]string, len(v.Aggregations))
	for i, a := range v.Aggregations {
		names[i] = a.FeatureName(v.AggregationInterval)
	}
	return names
}

// OutputSchema returns the columns that the transformation must return: join
// keys, timestamp field, and the aggregated columns, each once.
func (v View) OutputSchema() (Schema, error) {
	out := append(Schema(nil), v.JoinKeys()...)
	out = append(out, Field{v.TimestampField, Timestamp})
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

// DataDelay returns the longest delay of the view's sources: the job of a
// window that ends at E may start at E + DataDelay.
func (v View) DataDelay() time.Duration {
	var delay time.Duration
	for _, s := range v.Sources {
		delay = max(delay, time.Duration(s.BatchConfig.DataDelay))
	}
	return delay
}

// LongestWindow returns the longest time window of the aggregations.
func (v View) LongestWindow() time.Duration {
	var longest time.Duration
	for _, a := range v.Aggregations {
		longest = max(longest, time.Duration(a.TimeWindow))
	}
	return longest
}

// MaterializationStart returns where the first window starts, so that the first
// value, at feature_start_time, is whole:
//
//	floor(floor(feature_start_time - data_delay) - longest window)
//
// with floor to the batch schedule.
func (v View) MaterializationStart() window.Time {
	s := v.Schedule()
	return v.FeatureStartTime.Add(-v.DataDelay()).Floor(s).Add(-v.LongestWindow()).Floor(s)
}

// MaterializationEnd returns the end of the newest window whose data is complete at now.
func (v View) MaterializationEnd(now window.Time) window.Time {
	return now.Add(-v.DataDelay()).Floor(v.Schedule())
}

// fingerprintFormat is raised when the same definition would be stored in
// other bytes than before: another tile layout, key or state encoding.
const fingerprintFormat = 1

// Fingerprint identifies the bytes that the view stores: a hash of the SQL, the
// sources less their delay, the join keys, the tile columns, the aggregation
// interval and the batch schedule. Descriptions, start times, windows that the
// stored tiles already serve, and the order of sources and aggregations do not
// count. 16 hexadecimal digits.
func (v View) Fingerprint() (string, error) {
	partials, err := Partials(v.Aggregations, v.Schema)
	if err != nil {
		return "", fmt.Errorf("fingerprint of %s: %w", v.Name, err)
	}
	type source struct {
		Name           string
		URI            string
		FileFormat     FileFormat
		TimestampField string
		Schema         Schema
	}
	sources := make([]source, len(v.Sources))
	for i, s := range v.Sources {
		sources[i] = source{s.Name, s.BatchConfig.URI, s.BatchConfig.FileFormat, s.BatchConfig.TimestampField, s.Schema}
	}
	slices.SortFunc(sources, func(a, b source) int { return cmp.Compare(a.Name, b.Name) })
	data, err := json.Marshal(struct {
		Format         int
		Mode           string
		SQL            string
		Sources        []source
		JoinKeys       []Field
		TimestampField string
		Partials       []Partial
		Interval       time.Duration
		Schedule       time.Duration
	}{fingerprintFormat, v.Mode, strings.TrimSpace(v.Transformation), sources, v.JoinKeys(), v.TimestampField, partials, v.Interval(), v.Schedule()})
	if err != nil {
		return "", fmt.Errorf("fingerprint of %s: %w", v.Name, err)
	}
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:8]), nil
}
