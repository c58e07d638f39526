package feature

import (
	"fmt"
	"slices"
)

// ingestedTypes are those that a feature of a table can have.
var ingestedTypes = []string{
	"Bool", "Int64", "Float64", "String", "Array[Int64]", "Array[Float32]", "Array[Float64]", "Array[String]",
}

func (c *checker) table(t FeatureTable) {
	c.kind, c.name = "FeatureTable", t.Name
	if _, ok := c.repository.BatchFeatureView(t.Name); ok {
		c.add("name", "is the name of a BatchFeatureView as well: views and feature tables share one namespace")
	}
	keys := c.entities(t.Entities)
	c.ttl(t.TTL)
	c.stores(t.Online, t.Offline)
	c.servingIndex(t.OnlineServingIndex, keys.Names())
	if len(t.Schema) == 0 {
		c.add("schema", "is required: the join keys, one column of type Timestamp, and the features")
		return
	}
	c.schema("schema", t.Schema)
	c.tableKeys(t.Schema, keys)
	c.tableTimestamp(t)
	c.tableColumns(t.Schema, keys)
}

// tableKeys checks that the schema has all join keys, with the types of the entities.
func (c *checker) tableKeys(schema, keys Schema) {
	for _, key := range keys {
		if _, ok := schema.Lookup(key.Name); !ok {
			c.add("schema", "has no column %q of type %s, a join key", key.Name, key.Type)
		}
	}
	for i, column := range schema {
		key, ok := keys.Lookup(column.Name)
		if ok && column.Type.valid() && column.Type != key.Type {
			c.add(fmt.Sprintf("schema[%d].type", i), "join key %q is %s in its entity, not %s", column.Name, key.Type, column.Type)
		}
	}
}

// tableTimestamp checks that one column is the rows' time.
func (c *checker) tableTimestamp(t FeatureTable) {
	first := t.TimestampField()
	if first == "" {
		c.add("schema", "has no column of type Timestamp, want exactly one: the time of a row")
	}
	for i, column := range t.Schema {
		if column.Type == Timestamp && column.Name != first {
			c.add(fmt.Sprintf("schema[%d].type", i), "%q and %q are both Timestamp, want exactly one: the time of a row", first, column.Name)
		}
	}
}

// tableColumns checks the names of all columns, and the types of the features.
func (c *checker) tableColumns(schema, keys Schema) {
	features := 0
	for i, column := range schema {
		c.tableColumn(fmt.Sprintf("schema[%d].name", i), column.Name)
		if _, isKey := keys.Lookup(column.Name); isKey || column.Type == Timestamp {
			continue
		}
		features++
		if column.Type.valid() && !slices.Contains(ingestedTypes, column.Type.String()) {
			c.add(fmt.Sprintf("schema[%d].type", i), "feature %q is %s, want %s", column.Name, column.Type, oneOf(ingestedTypes...))
		}
	}
	if features == 0 {
		c.add("schema", "has no feature, only join keys and a timestamp")
	}
}

func (c *checker) tableColumn(field, name string) {
	owner := reservedColumns[fold(name)]
	if fold(name) == IngestSequence {
		owner = "the order of what is ingested"
	}
	switch {
	case name == "": // said elsewhere
	case !storedColumnForm.MatchString(name):
		c.add(field, "%q must be letters, digits and underscores, not starting with a digit", name)
	case owner != "":
		c.add(field, "%q is taken by %s", name, owner)
	}
}
