package feature

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/tilery/tilery/pkg/window"
)

// Limits of what one repository may define.
const (
	maxNameLength       = 128
	maxDefinitions      = 10_000 // of each kind
	maxJoinKeys         = 16
	maxColumns          = 1_000
	maxAggregations     = 500 // of one view
	maxSQLBytes         = 256 << 10
	minInterval         = time.Minute
	maxTilesPerSchedule = 1_440
)

// Problem is one thing that is wrong with a definition.
type Problem struct {
	Kind  string // for instance "BatchFeatureView"
	Name  string // of the object
	Field string // path of the field, for instance "aggregations[2].function"; empty for the object
	Text  string // what is wrong and what would be accepted
}

// String renders the problem without its place in a file.
func (p Problem) String() string {
	where := p.Kind
	if p.Name != "" {
		where += " " + p.Name
	}
	if p.Field != "" {
		where += ": " + p.Field
	}
	return where + ": " + p.Text
}

var nameForm = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9_]*$`)

// Validate returns everything that is wrong with the repository; none means
// that every view can be resolved. The SQL is checked where there is an engine.
func (r *Repository) Validate() []Problem {
	c := &checker{repository: r}
	checkNames(c, "Entity", r.Entities, func(e Entity) string { return e.Name })
	checkNames(c, "BatchSource", r.BatchSources, func(s BatchSource) string { return s.Name })
	checkNames(c, "BatchFeatureView", r.BatchFeatureViews, func(v BatchFeatureView) string { return v.Name })
	for _, e := range r.Entities {
		c.entity(e)
	}
	for _, s := range r.BatchSources {
		c.source(s)
	}
	for _, v := range r.BatchFeatureViews {
		c.view(v)
	}
	return c.problems
}

type checker struct {
	repository *Repository
	kind, name string // of the object at hand
	problems   []Problem
}

func (c *checker) add(field, format string, args ...any) {
	c.problems = append(c.problems, Problem{c.kind, c.name, field, fmt.Sprintf(format, args...)})
}

func checkNames[T any](c *checker, kind string, list []T, nameOf func(T) string) {
	seen := map[string]bool{}
	for _, item := range list {
		c.kind, c.name = kind, nameOf(item)
		switch {
		case c.name == "":
			c.add("name", "is required")
		case !nameForm.MatchString(c.name) || len(c.name) > maxNameLength:
			c.add("name", "%q must be a letter followed by letters, digits and underscores, at most %d in all", c.name, maxNameLength)
		case seen[c.name]:
			c.add("name", "is defined twice")
		}
		seen[c.name] = true
	}
	if len(list) > maxDefinitions {
		c.kind, c.name = kind, ""
		c.add("", "%d definitions, at most %d are allowed", len(list), maxDefinitions)
	}
}

func (c *checker) entity(e Entity) {
	c.kind, c.name = "Entity", e.Name
	if len(e.JoinKeys) == 0 || len(e.JoinKeys) > maxJoinKeys {
		c.add("join_keys", "needs 1 to %d columns, has %d", maxJoinKeys, len(e.JoinKeys))
	}
	c.schema("join_keys", e.JoinKeys)
	for i, f := range e.JoinKeys {
		if f.Type != InvalidType && f.Type != Int64 && f.Type != String {
			c.add(fmt.Sprintf("join_keys[%d].type", i), "a join key is Int64 or String, not %s", f.Type)
		}
	}
}

func (c *checker) schema(field string, schema Schema) {
	if len(schema) > maxColumns {
		c.add(field, "%d columns, at most %d are allowed", len(schema), maxColumns)
	}
	seen := map[string]bool{}
	for i, f := range schema {
		switch {
		case f.Name == "":
			c.add(fmt.Sprintf("%s[%d].name", field, i), "is required")
		case len(f.Name) > maxNameLength:
			c.add(fmt.Sprintf("%s[%d].name", field, i), "is longer than %d bytes", maxNameLength)
		case seen[f.Name]:
			c.add(fmt.Sprintf("%s[%d].name", field, i), "column %q is declared twice", f.Name)
		}
		if f.Type == InvalidType {
			c.add(fmt.Sprintf("%s[%d].type", field, i), "is required, one of %s", strings.Join(typeNames[1:], ", "))
		}
		seen[f.Name] = true
	}
}

func (c *checker) source(s BatchSource) {
	c.kind, c.name = "BatchSource", s.Name
	if s.BatchConfig.URI == "" {
		c.add("batch_config.uri", "is required: a path of files relative to the worker's source root")
	}
	if s.BatchConfig.FileFormat != Parquet {
		c.add("batch_config.file_format", "%q is not supported, want parquet", s.BatchConfig.FileFormat)
	}
	if len(s.Schema) == 0 {
		c.add("schema", "is required: the columns that views may use")
	}
	c.schema("schema", s.Schema)
	c.timestampField("batch_config.timestamp_field", s.BatchConfig.TimestampField, s.Schema)
}

func (c *checker) timestampField(field, name string, schema Schema) {
	column, ok := schema.Lookup(name)
	switch {
	case name == "":
		c.add(field, "is required")
	case !ok && len(schema) > 0:
		c.add(field, "no column %q, want one of %s", name, strings.Join(schema.Names(), ", "))
	case ok && column.Type != Timestamp:
		c.add(field, "column %q is %s, want Timestamp", name, column.Type)
	}
}

func (c *checker) view(v BatchFeatureView) {
	c.kind, c.name = "BatchFeatureView", v.Name
	keys := c.references(v)
	if v.Mode != "sql" {
		c.add("mode", "%q is not supported, want sql", v.Mode)
	}
	switch {
	case strings.TrimSpace(v.Transformation) == "":
		c.add("transformation", "is required: one SELECT, or the name of a .sql file beside the definition")
	case len(v.Transformation) > maxSQLBytes:
		c.add("transformation", "is longer than %d bytes", maxSQLBytes)
	}
	if v.TimestampField == "" {
		c.add("timestamp_field", "is required: the column of the transformation that holds the event time")
	}
	if slices.Contains(keys, v.TimestampField) {
		c.add("timestamp_field", "%q is a join key", v.TimestampField)
	}
	if v.FeatureStartTime == 0 {
		c.add("feature_start_time", "is required, for instance 2024-01-01")
	}
	if v.Online && !v.Offline {
		c.add("offline", "must be true when online is: the offline store is the source of the online store")
	}
	if c.times(v) {
		c.aggregations(v, keys)
	}
}

// references checks entities and sources and returns the join keys' names.
func (c *checker) references(v BatchFeatureView) []string {
	if len(v.Entities) == 0 {
		c.add("entities", "needs at least one entity")
	}
	var keys []string
	for i, name := range v.Entities {
		e, ok := c.repository.Entity(name)
		if !ok {
			c.add(fmt.Sprintf("entities[%d]", i), "no entity %q", name)
			continue
		}
		for _, key := range e.JoinKeys.Names() {
			if slices.Contains(keys, key) {
				c.add(fmt.Sprintf("entities[%d]", i), "join key %q belongs to another entity of the view as well", key)
			}
			keys = append(keys, key)
		}
	}
	if len(keys) > maxJoinKeys {
		c.add("entities", "%d join keys, at most %d are allowed", len(keys), maxJoinKeys)
	}
	if len(v.Sources) == 0 {
		c.add("sources", "needs at least one source")
	}
	for i, name := range v.Sources {
		if _, ok := c.repository.BatchSource(name); !ok {
			c.add(fmt.Sprintf("sources[%d]", i), "no source %q", name)
		}
		if slices.Contains(v.Sources[:i], name) {
			c.add(fmt.Sprintf("sources[%d]", i), "source %q is named twice", name)
		}
	}
	return keys
}

// times reports whether interval and schedule can be worked with.
func (c *checker) times(v BatchFeatureView) bool {
	if v.Interval() < minInterval {
		c.add("aggregation_interval", "is %s, want at least %s", v.AggregationInterval, Duration(minInterval))
		return false
	}
	if v.Schedule()%v.Interval() != 0 {
		c.add("batch_schedule", "%s is not a multiple of the aggregation interval %s", v.BatchSchedule, v.AggregationInterval)
		return false
	}
	if n := v.Schedule() / v.Interval(); n > maxTilesPerSchedule {
		c.add("batch_schedule", "%s holds %d tiles of %s, at most %d are allowed", v.BatchSchedule, n, v.AggregationInterval, maxTilesPerSchedule)
		return false
	}
	return true
}

func (c *checker) aggregations(v BatchFeatureView, keys []string) {
	if len(v.Aggregations) == 0 {
		c.add("aggregations", "needs at least one aggregation; views without are not supported yet")
	}
	if len(v.Aggregations) > maxAggregations {
		c.add("aggregations", "%d aggregations, at most %d are allowed", len(v.Aggregations), maxAggregations)
	}
	longest := window.MaxBlocksPerWindow * window.BlockLength(v.Interval())
	seen := map[string]bool{}
	for i, a := range v.Aggregations {
		at := func(field string) string { return fmt.Sprintf("aggregations[%d].%s", i, field) }
		switch {
		case a.Column == "":
			c.add(at("column"), "is required")
		case slices.Contains(keys, a.Column) || a.Column == v.TimestampField:
			c.add(at("column"), "%q is a join key or the timestamp field", a.Column)
		}
		if a.Function == "" {
			c.add(at("function"), "is required, one of %s", functionNames())
		}
		switch length := time.Duration(a.TimeWindow); {
		case length <= 0:
			c.add(at("time_window"), "is required, for instance 7d")
		case length%v.Interval() != 0:
			c.add(at("time_window"), "%s is not a multiple of the aggregation interval %s", a.TimeWindow, v.AggregationInterval)
		case length > longest:
			c.add(at("time_window"), "%s is longer than %s, the longest for tiles of %s", a.TimeWindow, Duration(longest), v.AggregationInterval)
		}
		name := a.FeatureName(v.AggregationInterval)
		if a.Name != "" && (!nameForm.MatchString(a.Name) || len(a.Name) > maxNameLength) {
			c.add(at("name"), "%q must be a letter followed by letters, digits and underscores, at most %d in all", a.Name, maxNameLength)
		}
		if seen[name] {
			c.add(at("name"), "feature %q is defined twice", name)
		}
		seen[name] = true
	}
}
