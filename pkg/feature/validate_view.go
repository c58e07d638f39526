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
	minInterval         = time.Minute // of a tile, and of a window of rows
	maxSchedule         = 31 * day
	maxTilesPerSchedule = 1_440
)

// earliestStart is the first feature_start_time that is accepted.
var earliestStart = window.FromTime(time.Date(1900, 1, 1, 0, 0, 0, 0, time.UTC))

const timePartition = "time_partition"

// reservedColumns are columns of offline tables, in lower case, and what they hold.
var reservedColumns = map[string]string{
	TileStart:     "the start of the tile", // where there are tiles
	timePartition: "the partition of the offline table",
}

func (c *checker) view(v BatchFeatureView) {
	c.kind, c.name = "BatchFeatureView", v.Name
	keys := c.entities(v.Entities).Names()
	c.sources(v)
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
	c.stores(v.Online, v.Offline)
	switch v.BatchTrigger {
	case "", Scheduled, Manual:
	default:
		c.add("batch_trigger", "%q is unknown, want %s", v.BatchTrigger, oneOf(Scheduled, Manual))
	}
	c.servingIndex(v.OnlineServingIndex, keys)
	c.viewTests(v)
	if v.Aggregated() {
		c.tiles(v, keys)
	} else {
		c.rows(v, keys)
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

func (c *checker) stores(online, offline bool) {
	if online && !offline {
		c.add("offline", "must be true when online is: the offline store is the source of the online store")
	}
}

// entities checks those of a view or a table and returns their join keys.
func (c *checker) entities(names []string) Schema {
	if len(names) == 0 {
		c.add("entities", "needs at least one entity")
	}
	var keys Schema
	for i, name := range names {
		at := fmt.Sprintf("entities[%d]", i)
		e, ok := c.repository.Entity(name)
		switch {
		case !ok:
			c.add(at, "no entity %q", name)
			continue
		case slices.Contains(names[:i], name):
			c.add(at, "entity %q is named twice", name)
			continue
		}
		for _, key := range e.JoinKeys.Names() {
			if containsFold(keys.Names(), key) {
				c.add(at, "join key %q belongs to another entity of the view as well", key)
			}
		}
		keys = append(keys, e.JoinKeys...)
	}
	if len(keys) > maxJoinKeys {
		c.add("entities", "%d join keys, at most %d are allowed", len(keys), maxJoinKeys)
	}
	return keys
}

func (c *checker) sources(v BatchFeatureView) {
	if len(v.Sources) == 0 {
		c.add("sources", "needs at least one source")
	}
	names := make([]string, len(v.Sources))
	for i, s := range v.Sources {
		names[i] = s.Source
	}
	for i, name := range names {
		at := fmt.Sprintf("sources[%d]", i)
		if offset := v.Sources[i].StartTimeOffset; offset != Unbounded && !Duration(-offset).writable() {
			c.add(at+".start_time_offset", "is %s, want whole seconds from -%s to 0s, or unbounded", offset, Duration(maxDuration))
		}
		if name == "" {
			c.add(at+".source", "is required: the name of a source")
			continue
		}
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

// servingIndex checks which join keys a query must give.
func (c *checker) servingIndex(index, keys []string) {
	if len(keys) == 0 {
		return // said elsewhere
	}
	for i, key := range index {
		at := fmt.Sprintf("online_serving_index[%d]", i)
		switch {
		case !slices.Contains(keys, key):
			c.add(at, "no join key %q, want %s", key, oneOf(keys...))
		case slices.Contains(index[:i], key):
			c.add(at, "join key %q is named twice", key)
		}
	}
	if n := len(index); n > 0 && n < len(keys)-1 {
		c.add("online_serving_index", "leaves out %d of the join keys %s, at most one may be left out", len(keys)-n, strings.Join(keys, ", "))
	}
}

// backfills checks in what pieces, and up to where, windows are built by
// themselves. The schedule is valid.
func (c *checker) backfills(v BatchFeatureView) {
	schedule := Duration(v.Schedule())
	if longest := v.MaxBackfillInterval; longest < 0 || longest%schedule != 0 || longest > Duration(maxDuration) {
		c.add("max_backfill_interval", "is %s, want a multiple of the batch schedule %s, up to %s", longest, schedule, Duration(maxDuration))
	}
	const field = "manual_trigger_backfill_end_time"
	switch end := v.ManualTriggerBackfillEndTime; {
	case end == 0:
	case v.BatchTrigger != Manual:
		c.add(field, "needs batch_trigger MANUAL: scheduled jobs have no end")
	case end <= v.FeatureStartTime:
		c.add(field, "%v is not after the feature_start_time %v", end, v.FeatureStartTime)
	case !end.Aligned(v.Schedule()):
		c.add(field, "%v is not the end of a window of %s, the nearest are %v and %v", end, schedule, end.Floor(v.Schedule()), end.Ceil(v.Schedule()))
	}
}
