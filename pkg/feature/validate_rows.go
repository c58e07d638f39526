package feature

import "strings"

// rows checks what only a view without aggregations has.
func (c *checker) rows(v BatchFeatureView, keys []string) {
	if v.AggregationInterval != 0 {
		c.add("aggregation_interval", "is the length of a tile, and a view without aggregations has none: add aggregations, or leave it out")
	}
	if v.AggregationSecondaryKey != "" {
		c.add("aggregation_secondary_key", "needs aggregations")
	}
	if v.LifetimeStartTime != 0 {
		c.add("lifetime_start_time", "needs an aggregation with time_window: lifetime")
	}
	switch schedule := v.BatchSchedule; {
	case schedule == 0:
		c.add("batch_schedule", "is required, for instance 1d: only with aggregations it has a default")
	case !schedule.writable() || schedule < Duration(minInterval) || schedule > Duration(maxSchedule):
		c.add("batch_schedule", "is %s, want whole seconds from %s to %s", schedule, Duration(minInterval), Duration(maxSchedule))
	default:
		c.backfills(v)
	}
	c.ttl(v.TTL)
	c.storedColumn("timestamp_field", v.TimestampField)
	c.rowFeatures(v, keys)
}

func (c *checker) ttl(ttl Duration) {
	if !ttl.writable() {
		c.add("ttl", "is %s, want whole seconds from 1s to %s, or none to serve a row for ever", ttl, Duration(maxDuration))
	}
}

// storedColumn checks a name that a table of rows gets as a column.
func (c *checker) storedColumn(field, name string) {
	switch {
	case name == "": // said elsewhere
	case !storedColumnForm.MatchString(name):
		c.badStoredColumn(field, name)
	case len(name) > maxNameLength:
		c.add(field, "%q is longer than %d bytes: rename it in the SQL", name, maxNameLength)
	case fold(name) == timePartition:
		c.add(field, "%q is taken by %s: rename it in the SQL", name, reservedColumns[timePartition])
	}
}

// rowFeatures checks the columns of the result, once they are known.
func (c *checker) rowFeatures(v BatchFeatureView, keys []string) {
	if len(v.Schema) == 0 {
		return
	}
	const field = "transformation" // where they come from
	features := 0
	seen := map[string]string{}
	for _, column := range v.Schema {
		if first, ok := seen[fold(column.Name)]; ok {
			c.add(field, "the SQL returns %q and %q, which stores do not tell apart: rename one", first, column.Name)
		}
		seen[fold(column.Name)] = column.Name
		if containsFold(keys, column.Name) || fold(column.Name) == fold(v.TimestampField) {
			continue
		}
		features++
		c.storedColumn(field, column.Name)
		if column.Type.IsArray() && column.Type.Scalar() == Timestamp {
			c.add(field, "the SQL returns %q as %s: arrays of timestamps are not supported", column.Name, column.Type)
		}
	}
	switch {
	case features == 0:
		c.add(field, "the SQL returns no feature: without aggregations, features are its columns other than %s",
			strings.Join(append(keys[:len(keys):len(keys)], v.TimestampField), ", "))
	case features > maxColumns:
		c.add(field, "the SQL returns %d features, at most %d are allowed", features, maxColumns)
	}
}
