package duckdb

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/tilery/tilery/pkg/transform"
)

// statement is a view's SQL that has been checked.
type statement struct {
	sql    string
	tree   map[string]any // DuckDB's syntax tree
	bounds int            // how often $start_time and $end_time stand in it
}

// check refuses what is not one SELECT over tables whose result is a function
// of their rows and the bounds. It reads the syntax tree that DuckDB's parser makes,
// before anything is bound.
func (s *session) check(sql string, tables []transform.Table) (statement, error) {
	rows, err := s.query("SELECT CAST(json_serialize_sql(" + quoteText(sql) + ") AS VARCHAR)")
	if err != nil {
		return statement{}, fmt.Errorf("parse the statement: %w", err)
	}
	var parsed struct {
		Error      bool             `json:"error"`
		Type       string           `json:"error_type"`
		Message    string           `json:"error_message"`
		Statements []map[string]any `json:"statements"`
	}
	if err := json.Unmarshal([]byte(rows[0][0]), &parsed); err != nil {
		return statement{}, fmt.Errorf("parse the statement: %w", err)
	}
	switch {
	case parsed.Error && strings.Contains(parsed.Message, "positional parameters"):
		return statement{}, fmt.Errorf("%w: %s", transform.ErrSQL, parsed.Message)
	case parsed.Error && parsed.Type == "not implemented":
		return statement{}, fmt.Errorf("%w: only one SELECT is accepted, no other statement", transform.ErrSQL)
	case parsed.Error:
		return statement{}, fmt.Errorf("%w: %s", transform.ErrSQL, parsed.Message)
	case len(parsed.Statements) != 1:
		return statement{}, fmt.Errorf("%w: one SELECT is accepted, not %d statements", transform.ErrSQL, len(parsed.Statements))
	}
	c := newChecker(parsed.Statements[0], tables)
	if err := c.walk(parsed.Statements[0]); err != nil {
		return statement{}, fmt.Errorf("%w: %w", transform.ErrSQL, err)
	}
	return statement{sql, parsed.Statements[0], c.bounds}, nil
}

// checker walks a syntax tree. Names in it are lower case.
type checker struct {
	tables  []string // as declared
	known   map[string]bool
	columns map[string]bool
	bounds  int // seen
}

func newChecker(tree any, tables []transform.Table) *checker {
	c := &checker{known: make(map[string]bool), columns: make(map[string]bool)}
	for _, t := range tables {
		c.tables = append(c.tables, t.Name)
		c.known[strings.ToLower(t.Name)] = true
		for _, f := range t.Schema {
			c.columns[strings.ToLower(f.Name)] = true
		}
	}
	// Scopes are left to DuckDB, which binds a WITH name out of its scope to nothing.
	c.collectCTEs(tree)
	return c
}

func (c *checker) collectCTEs(tree any) {
	switch n := tree.(type) {
	case []any:
		for _, child := range n {
			c.collectCTEs(child)
		}
	case map[string]any:
		if ctes, ok := n["cte_map"].(map[string]any); ok {
			entries, _ := ctes["map"].([]any)
			for _, entry := range entries {
				e, _ := entry.(map[string]any)
				c.known[lower(e, "key")] = true
			}
		}
		for _, child := range n {
			c.collectCTEs(child)
		}
	}
}

func (c *checker) walk(tree any) error {
	switch n := tree.(type) {
	case []any:
		for _, child := range n {
			if err := c.walk(child); err != nil {
				return err
			}
		}
	case map[string]any:
		if err := c.visit(n); err != nil {
			return err
		}
		for _, key := range slices.Sorted(maps.Keys(n)) { // sorted, so that the first error is always the same
			if err := c.walk(n[key]); err != nil {
				return err
			}
		}
	}
	return nil
}

// visit checks one node without its children.
func (c *checker) visit(n map[string]any) error {
	if n["sample"] != nil {
		return fmt.Errorf("a sample differs from run to run: filter by a hash of the key")
	}
	if modifiers, ok := n["modifiers"].([]any); ok {
		if err := checkModifiers(modifiers); err != nil {
			return err
		}
	}
	switch n["type"] {
	case "BASE_TABLE":
		return c.visitTable(n)
	case "SHOW_REF":
		return fmt.Errorf("only SELECT is accepted, neither DESCRIBE, SHOW nor SUMMARIZE")
	case "TABLE_FUNCTION":
		call, _ := n["function"].(map[string]any)
		if name := lower(call, "function_name"); !tableFunctions[name] {
			return fmt.Errorf("table function %s is not accepted, only %s", name, join(slices.Sorted(maps.Keys(tableFunctions))))
		}
	case "COLUMN_REF":
		if name := bareName(n); bareClock[name] && !c.columns[name] {
			return refuseVolatile(name)
		}
	}
	switch n["class"] {
	case "FUNCTION", "WINDOW":
		return visitCall(n)
	case "PARAMETER":
		if name := lower(n, "identifier"); name != startTime && name != endTime {
			return fmt.Errorf("parameter $%s is not accepted, only $%s and $%s, the bounds of the window", name, startTime, endTime)
		}
		c.bounds++
	}
	return nil
}

func (c *checker) visitTable(n map[string]any) error {
	name, _ := n["table_name"].(string)
	if schema := lower(n, "schema_name"); schema != "" {
		return fmt.Errorf("there is no table %s.%s: sources are named without a schema", schema, name)
	}
	if !c.known[strings.ToLower(name)] {
		return fmt.Errorf("there is no source %q, only %s", name, join(c.tables))
	}
	return nil
}

// bareName returns the name of a column that is written without its table's, in lower case.
func bareName(n map[string]any) string {
	names, _ := n["column_names"].([]any)
	if len(names) != 1 {
		return ""
	}
	name, _ := names[0].(string)
	return strings.ToLower(name)
}

func visitCall(n map[string]any) error {
	name := lower(n, "function_name")
	if volatile[name] != "" {
		return refuseVolatile(name)
	}
	if arguments, _ := n["children"].([]any); name == "age" && len(arguments) == 1 {
		return fmt.Errorf("function age of one timestamp is not accepted, since %s: give it both timestamps", readsClock)
	}
	return nil
}

// checkModifiers refuses a choice of rows that nothing determines.
func checkModifiers(modifiers []any) error {
	choice, ordered := "", false
	for _, modifier := range modifiers {
		m, _ := modifier.(map[string]any)
		switch m["type"] {
		case "ORDER_MODIFIER":
			ordered = true
		case "LIMIT_MODIFIER", "LIMIT_PERCENT_MODIFIER":
			choice = "LIMIT"
		case "DISTINCT_MODIFIER":
			if targets, _ := m["distinct_on_targets"].([]any); len(targets) > 0 {
				choice = "DISTINCT ON"
			}
		}
	}
	if choice != "" && !ordered {
		return fmt.Errorf("%s without ORDER BY takes other rows at each run: add an ORDER BY that leaves no ties", choice)
	}
	return nil
}

func refuseVolatile(name string) error {
	return fmt.Errorf("function %s is not accepted, since %s: a window that is run again would give other values", name, volatile[name])
}

func lower(n map[string]any, key string) string {
	text, _ := n[key].(string)
	return strings.ToLower(text)
}

func join(names []string) string {
	if len(names) == 0 {
		return "none"
	}
	return strings.Join(names, ", ")
}
