package feature

import (
	"fmt"
	"path"
	"slices"
	"strings"
	"time"
)

const maxDataDelay = 366 * day

// fileFormats are the formats in the order that messages name them.
var fileFormats = []FileFormat{Parquet, CSV, JSON, Delta}

func (c *checker) source(s BatchSource) {
	c.kind, c.name = "BatchSource", s.Name
	config := s.BatchConfig
	if err := config.CheckURI(); err != nil {
		c.add("batch_config.uri", "%v", err)
	}
	switch {
	case config.FileFormat == "":
		c.add("batch_config.file_format", "is required, %s", oneOf(fileFormats...))
	case !slices.Contains(fileFormats, config.FileFormat):
		c.add("batch_config.file_format", "%q is not supported, want %s", config.FileFormat, oneOf(fileFormats...))
	}
	if config.FileFormat == Delta {
		c.deltaTable(config)
	} else {
		c.files(config)
	}
	if delay := config.DataDelay; !delay.writable() || time.Duration(delay) > maxDataDelay {
		c.add("batch_config.data_delay", "is %s, want whole seconds from 0s to %s", delay, Duration(maxDataDelay))
	}
	if len(s.Schema) == 0 {
		c.add("schema", "is required: the columns that views may use")
	}
	c.schema("schema", s.Schema)
	c.arrays(config.FileFormat, s.Schema)
	c.timestampField("batch_config.timestamp_field", config.TimestampField, s.Schema)
}

// arrays refuses those that no source has.
func (c *checker) arrays(format FileFormat, schema Schema) {
	for i, f := range schema {
		at := fmt.Sprintf("schema[%d].type", i)
		switch {
		case !f.Type.IsArray():
		case format == CSV:
			c.add(at, "%s: a field of a csv file holds no array: leave the column out, or use json or parquet", f.Type)
		case f.Type.Scalar() == Timestamp:
			c.add(at, "%s: arrays of timestamps are not supported", f.Type)
		}
	}
}

func (c *checker) deltaTable(config FileConfig) {
	if strings.ContainsAny(path.Base(config.URI), "*?") {
		c.add("batch_config.uri", "%q: a Delta table is one directory, named without wildcards", config.URI)
	}
	if len(config.DatetimePartitionColumns) > 0 {
		c.add("batch_config.datetime_partition_columns", "is for parquet, csv and json: leave it out, the log of a Delta table knows its partitions")
	}
	switch version := config.DeltaVersion; {
	case version != nil && config.DeltaTimestamp != 0:
		c.add("batch_config.delta_timestamp", "excludes delta_version: give one of them, or neither for the newest version")
	case version != nil && *version < 0:
		c.add("batch_config.delta_version", "is %d, want 0 or more", *version)
	}
}

func (c *checker) files(config FileConfig) {
	const onlyDelta = "is for file_format delta only: leave it out"
	if config.DeltaVersion != nil {
		c.add("batch_config.delta_version", onlyDelta)
	}
	if config.DeltaTimestamp != 0 {
		c.add("batch_config.delta_timestamp", onlyDelta)
	}
	c.partitionColumns(config.DatetimePartitionColumns)
}

// partitionings are the dateparts by which directories may be nested: each level
// is a stretch of time within the one above.
var partitionings = []string{"year", "year/month", "year/month/day", "year/month/day/hour", "date", "date/hour"}

func (c *checker) partitionColumns(columns []DatetimePartitionColumn) {
	const field = "batch_config.datetime_partition_columns"
	var parts []string
	seen := map[string]bool{}
	for i, column := range columns {
		at := fmt.Sprintf("%s[%d].column_name", field, i)
		switch name := column.ColumnName; {
		case name == "":
			c.add(at, "is required: the directories are called column_name=value")
		case !storedColumnForm.MatchString(name) || len(name) > maxNameLength:
			c.add(at, "%q must be letters, digits and underscores, not starting with a digit, at most %d in all", name, maxNameLength)
		case seen[fold(name)]:
			c.add(at, "%q is named twice", name)
		}
		seen[fold(column.ColumnName)] = true
		parts = append(parts, column.Datepart)
	}
	if nested := strings.Join(parts, "/"); len(columns) > 0 && !slices.Contains(partitionings, nested) {
		c.add(field, "the dateparts from the outermost directory in are %q, want %s", nested, oneOf(partitionings...))
	}
}

func (c *checker) timestampField(field, name string, schema Schema) {
	column, ok := schema.Lookup(name)
	switch {
	case name == "":
		c.add(field, "is required")
	case !ok && len(schema) > 0:
		c.add(field, "no column %q, want one of %s", name, strings.Join(schema.Names(), ", "))
	case ok && column.Type.valid() && column.Type != Timestamp:
		c.add(field, "column %q is %s, want Timestamp", name, column.Type)
	}
}
