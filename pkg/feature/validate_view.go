package feature

import (
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/tilery/tilery/pkg/window"
)

// Limits of one view. Those of time keep every sum of durations, and every
// distance from the first window to now, within a time.Duration: 292 years.
const (
	maxAggregations     = 500
	maxSQLBytes         = 256 << 10
	minInterval         = time.Minute
	maxSchedule         = 31 * day
	maxTilesPerSchedule = 1_440
	maxDataDelay        = 366 * day
)

// earliestStart is the first feature_start_time that is accepted.
var earliestStart = window.FromTime(time.Date(1900, 1, 1, 0, 0, 0, 0, time.UTC))

// reservedColumns are columns of every offline table, in lower case, and what they hold.
var reservedColumns = map[string]string{
	TileStart:        "the start of the tile",
	"time_partition": "the partition of the offline table",
}

func (c *checker) view(v BatchFeatureView) {
	c.kind, c.name = "BatchFeatureView", v.Name
	keys := c.references(v)
	switch v.Mode {
	case "sql":
	case "":
		c.add("mode", "is required, want sql")
	default:
		c.add("mode", "%q is not supported, want sql", v.Mode)
	}
	c.transformation(v.Transformation)
	if v.TimestampField == "" {
		c.add("timestamp_field", "is required: the column of the transformation that holds the event time")
	}
	if containsFold(keys, v.TimestampField) {
		c.add("timestamp_field", "%q is a join key", v.TimestampField)
	}
	switch {
	case v.FeatureStartTime == 0:
		c.add("feature_start_time", "is required, for instance 2024-01-01; 1970-01-01T00:00:00Z itself is not accepted")
	case v.FeatureStartTime < earliestStart:
		c.add("feature_start_time", "%v is before %v", v.FeatureStartTime, earliestStart)
	}
	if v.Online && !v.Offline {
		c.add("offline", "must be true when online is: the offline store is the source of the online store")
	}
	if c.times(v) {
		c.aggregations(v, keys)
	}
}

func (c *checker) transformation(sql string) {
	switch {
	case strings.TrimSpace(sql) == "":
		c.add("transformation", "is required: one SELECT, or the name of a .sql file beside the definition")
	case len(sql) > maxSQLBytes:
		c.add("transformation", "is longer than %d bytes", maxSQLBytes)
	case !utf8.ValidString(sql) || strings.ContainsRune(sql, 0):
		c.add("transformation", "is not UTF-8 text without NUL")
	}
}

// references checks entities and sources and returns the join keys' names.
func (c *checker) references(v BatchFeatureView) []string {
	if len(v.Entities) == 0 {
		c.add("entities", "needs at least one entity")
	}
	var keys []string
	for i, name := range v.Entities {
		at := fmt.Sprintf("entities[%d]", i)
		e, ok := c.repository.Entity(name)
		switch {
		case !ok:
			c.add(at, "no entity %q", name)
			continue
		case slices.Contains(v.Entities[:i], name):
			c.add(at, "entity %q is named twice", name)
			continue
		}
		for _, key := range e.JoinKeys.Names() {
			if containsFold(keys, key) {
				c.add(at, "join key %q belongs to another entity of the view as well", key)
			}
		}
		keys = append(keys, e.JoinKeys.Names()...)
	}
	if len(keys) > maxJoinKeys {
		c.add("entities", "%d join keys, at most %d are allowed", len(keys), maxJoinKeys)
	}
	if len(v.Sources) == 0 {
		c.add("sources", "needs at least one source")
	}
	c.sources(v)
	return keys
}

func (c *checker) sources(v BatchFeatureView) {
	names := make([]string, len(v.Sources))
	for i, s := range v.Sources {
		names[i] = s.Source
	}
	for i, name := range names {
		at := fmt.Sprintf("sources[%d]", i)
		if _, ok := c.repository.BatchSource(name); !ok {
			c.add(at, "no source %q", name)
		}
		switch {
		case slices.Contains(names[:i], name):
			c.add(at, "source %q is named twice", name)
		case containsFold(names[:i], name):
			c.add(at, "source %q differs from another in upper and lower case only, which SQL does not tell apart", name)
		}
	}
}

func containsFold(names []string, name string) bool {
	return slices.ContainsFunc(names, func(n string) bool { return fold(n) == fold(name) })
}

// times reports whether interval and schedule can be worked with.
func (c *checker) times(v BatchFeatureView) bool {
	switch interval := v.AggregationInterval; {
	case interval == 0:
		c.add("aggregation_interval", "is required, for instance 1h; views without are not supported yet")
		return false
	case v.Interval() < minInterval || v.Interval() > maxSchedule || !interval.writable():
		c.add("aggregation_interval", "is %s, want whole seconds from %s to %s", interval, Duration(minInterval), Duration(maxSchedule))
		return false
	}
	schedule, tiles := Duration(v.Schedule()), v.Schedule()/v.Interval()
	switch {
	case v.Schedule()%v.Interval() != 0 || schedule < 0:
		c.add("batch_schedule", "%s is not a multiple of the aggregation interval %s", schedule, v.AggregationInterval)
	case v.Schedule() > maxSchedule:
		c.add("batch_schedule", "%s is longer than %s", schedule, Duration(maxSchedule))
	case tiles > maxTilesPerSchedule:
		c.add("batch_schedule", "%s holds %d tiles of %s, at most %d are allowed", schedule, tiles, v.AggregationInterval, maxTilesPerSchedule)
	default:
		return true
	}
	return false
}

func (c *checker) aggregations(v BatchFeatureView, keys []string) {
	if len(v.Aggregations) == 0 {
		c.add("aggregations", "needs at least one aggregation; views without are not supported yet")
	}
	if len(v.Aggregations) > maxAggregations {
		c.add("aggregations", "%d aggregations, at most %d are allowed", len(v.Aggregations), maxAggregations)
	}
	tiles := newTileColumns(keys)
	features := map[string]bool{}
	for i, a := range v.Aggregations {
		at := func(field string) string { return fmt.Sprintf("aggregations[%d].%s", i, field) }
		switch {
		case a.Column == "":
			c.add(at("column"), "is required")
		case containsFold(keys, a.Column) || fold(a.Column) == fold(v.TimestampField):
			c.add(at("column"), "%q is a join key or the timestamp field", a.Column)
		case !storedColumnForm.MatchString(a.Column):
			c.badStoredColumn(at("column"), a.Column)
		default:
			if text := tiles.claim(a); text != "" {
				c.add(at("column"), "%s", text)
			}
		}
		switch {
		case a.Function == "":
			c.add(at("function"), "is required, one of %s", functionNames())
		case !slices.Contains(Functions, a.Function):
			c.add(at("function"), "unknown aggregation function %q, want one of %s", a.Function, functionNames())
		}
		if text := checkTimeWindow(a, v.AggregationInterval); text != "" {
			c.add(at("time_window"), "%s", text)
		}
		name := a.FeatureName(v.AggregationInterval)
		if a.Name != "" && !isName(a.Name) {
			c.badName(at("name"), a.Name)
		}
		if features[name] {
			c.add(at("name"), "feature %q is defined twice", name)
		}
		features[name] = true
	}
}

// checkTimeWindow says what is wrong with the aggregation's window, if anything is.
func checkTimeWindow(a Aggregation, interval Duration) string {
	longest := min(window.MaxBlocksPerWindow*window.BlockLength(time.Duration(interval)), maxDuration)
	switch length := time.Duration(a.TimeWindow); {
	case length == 0:
		return "is required, for instance 7d"
	case length < 0 || length%time.Duration(interval) != 0:
		return fmt.Sprintf("%s is not a multiple of the aggregation interval %s", a.TimeWindow, interval)
	case length > longest:
		return fmt.Sprintf("%s is longer than %s, the longest for tiles of %s", a.TimeWindow, Duration(longest), interval)
	}
	return ""
}

// tileColumns are the columns of a view's offline table, in lower case as stores
// do not tell the cases apart, and what they hold.
type tileColumns map[string]string

func newTileColumns(keys []string) tileColumns {
	t := tileColumns{}
	for _, key := range keys {
		t[fold(key)] = fmt.Sprintf("join key %q", key)
	}
	for name, owner := range reservedColumns {
		t[name] = owner
	}
	return t
}

// claim takes the columns of the aggregation's partial states, which other
// aggregations of the column share. It says who has one of them already, if anyone has.
func (t tileColumns) claim(a Aggregation) string {
	for _, kind := range a.Function.partials() {
		p := Partial{Kind: kind, Column: a.Column}
		mine := fmt.Sprintf("the %s of column %q", kind, a.Column)
		for _, name := range p.Columns() {
			if owner, taken := t[fold(name)]; taken && owner != mine {
				return fmt.Sprintf("%s is stored as %q, which is taken by %s: rename one in the SQL", mine, name, owner)
			}
			t[fold(name)] = mine
		}
	}
	return ""
}
