package feature

import (
	"fmt"
	"slices"

	"github.com/tilery/tilery/pkg/window"
)

// tiles checks what only a view with aggregations has.
func (c *checker) tiles(v BatchFeatureView, keys []string) {
	if v.TTL != 0 {
		c.add("ttl", "is for views without aggregations: leave it out, an aggregated value ends with its time_window")
	}
	if c.tileTimes(v) {
		c.backfills(v)
		c.lifetime(v)
		c.secondaryKey(v, keys)
		c.aggregations(v, keys)
	}
}

func (c *checker) lifetime(v BatchFeatureView) {
	const field = "lifetime_start_time"
	switch start := v.LifetimeStartTime; {
	case start == 0 && v.HasLifetime():
		c.add(field, "is required with lifetime windows, for instance 2020-01-01; 1970-01-01T00:00:00Z itself is not accepted")
	case start == 0:
	case !v.HasLifetime():
		c.add(field, "needs an aggregation with time_window: lifetime")
	case start < earliestStart:
		c.add(field, "%v is before %v", start, earliestStart)
	}
}

func (c *checker) secondaryKey(v BatchFeatureView, keys []string) {
	const field = "aggregation_secondary_key"
	switch key := v.AggregationSecondaryKey; {
	case key == "":
		return
	case containsFold(keys, key) || fold(key) == fold(v.TimestampField):
		c.add(field, "%q is a join key or the timestamp field", key)
	case !storedColumnForm.MatchString(key):
		c.badStoredColumn(field, key)
	}
	for i, a := range v.Aggregations {
		if a.TimeWindow.IsSeries() {
			c.add(fmt.Sprintf("aggregations[%d].time_window", i), "a series cannot be told apart by %s", field)
		}
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
	if v.AggregationSecondaryKey != "" {
		keys = append(slices.Clip(keys), v.AggregationSecondaryKey)
	}
	tiles := newTileColumns(keys)
	features := map[string]bool{}
	for i, a := range v.Aggregations {
		at := func(field string) string { return fmt.Sprintf("aggregations[%d].%s", i, field) }
		switch {
		case a.Column == "":
			c.add(at("column"), "is required")
		case v.AggregationSecondaryKey != "" && fold(a.Column) == fold(v.AggregationSecondaryKey):
			c.add(at("column"), "%q is the aggregation_secondary_key", a.Column)
		case containsFold(keys, a.Column) || fold(a.Column) == fold(v.TimestampField):
			c.add(at("column"), "%q is a join key or the timestamp field", a.Column)
		case !storedColumnForm.MatchString(a.Column):
			c.badStoredColumn(at("column"), a.Column)
		default:
			if text := tiles.claim(a); text != "" {
				c.add(at("column"), "%s", text)
			}
		}
		if _, err := parseFunction(string(a.Function)); a.Function == "" {
			c.add(at("function"), "is required, one of %s", functionNames())
		} else if err != nil {
			c.add(at("function"), "%v", err)
		}
		if err := a.TimeWindow.check(v.AggregationInterval); err != nil {
			c.add(at("time_window"), "%v", err)
		} else {
			c.windowLength(at("time_window"), v, a.TimeWindow)
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
	for _, name := range v.aggregatedNames()[len(v.Aggregations):] {
		if features[name] {
			c.add("aggregation_secondary_key", "its list %q has the name of an aggregation", name)
		}
	}
}

// windowLength refuses a window that costs too many items when it is read.
func (c *checker) windowLength(at string, v BatchFeatureView, w TimeWindow) {
	block := v.BlockLength()
	if w.Lifetime {
		if block < minLifetimeBlock {
			c.add(at, "the lifetime needs longer tiles than %s: those that are read together span %s, want %s",
				v.AggregationInterval, Duration(block), Duration(minLifetimeBlock))
		}
		return
	}
	if longest := min(window.MaxBlocksPerWindow*block, maxDuration); w.span() > longest {
		c.add(at, "%s is longer than %s, the longest for tiles of %s", w, Duration(longest), v.AggregationInterval)
	}
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
	partials, err := a.partials(InvalidType)
	if err != nil {
		return "" // said of the function
	}
	for _, p := range partials {
		mine := fmt.Sprintf("the %s of column %q", p.label(), a.Column)
		for _, name := range p.Columns() {
			if owner, taken := t[fold(name)]; taken && owner != mine {
				return fmt.Sprintf("%s is stored as %q, which is taken by %s: rename one in the SQL", mine, name, owner)
			}
			t[fold(name)] = mine
		}
	}
	return ""
}
