package feature

import (
	"fmt"
	"slices"
	"time"

	"github.com/tilery/tilery/pkg/window"
)

// tiles checks what only a view with aggregations has.
func (c *checker) tiles(v BatchFeatureView, keys []string) {
	if v.TTL != 0 {
		c.add("ttl", "is for views without aggregations: leave it out, an aggregated value ends with its time_window")
	}
	if c.tileTimes(v) {
		c.backfills(v)
		c.aggregations(v, keys)
	}
}

// tileTimes reports whether interval and schedule can be worked with.
func (c *checker) tileTimes(v BatchFeatureView) bool {
	switch interval := v.AggregationInterval; {
	case interval == 0:
		c.add("aggregation_interval", "is required with aggregations, for instance 1h")
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
