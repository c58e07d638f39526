package duckdb

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/tilery/tilery/pkg/feature"
	"github.com/tilery/tilery/pkg/transform"
)

// rowWise looks for what keeps a statement from being a projection and filter of
// one source. What it does not know is not row-wise.
type rowWise struct {
	sql       string
	functions map[string]function
	macros    func(definition string) (map[string]any, error)
	depth     int // of macros
}

// function is what DuckDB has under one name.
type function struct {
	scalar bool   // in all its forms that an expression can call
	macro  string // the expression that it stands for, if it is a macro
}

// maxMacroDepth bounds macros that stand for macros.
const maxMacroDepth = 8

// notRowWise returns why the statement is not known to be row-wise, "" if it is.
// schema is that of its result.
func (s *session) notRowWise(checked statement, tables []transform.Table, schema feature.Schema) (string, error) {
	functions, err := s.functions()
	if err != nil {
		return "", err
	}
	c := rowWise{sql: checked.sql, functions: functions, macros: s.parseExpression}
	node, _ := checked.tree["node"].(map[string]any)
	if why := c.query(node); why != "" {
		return why, nil
	}
	from, _ := node["from_table"].(map[string]any)
	for _, t := range tables {
		if strings.EqualFold(t.Name, lower(from, "table_name")) && t.TimestampField != "" {
			return movedRows(node, t, schema), nil
		}
	}
	return "", nil
}

// functions lists the functions of the session by name.
func (s *session) functions() (map[string]function, error) {
	rows, err := s.query(`SELECT function_name, CAST(bool_and(function_type IN ('scalar', 'table', 'table_macro', 'pragma'))
			AND bool_or(function_type = 'scalar') AS VARCHAR), COALESCE(any_value(macro_definition) FILTER (WHERE function_type = 'macro'), '')
		FROM duckdb_functions() GROUP BY function_name`)
	if err != nil {
		return nil, fmt.Errorf("list functions: %w", err)
	}
	out := make(map[string]function, len(rows))
	for _, row := range rows {
		out[strings.ToLower(row[0])] = function{row[1] == "true", row[2]}
	}
	return out, nil
}

// parseExpression returns the tree of SELECT definition.
func (s *session) parseExpression(definition string) (map[string]any, error) {
	parsed, err := s.check("SELECT "+definition, nil)
	if err != nil {
		return nil, err
	}
	node, _ := parsed.tree["node"].(map[string]any)
	return node, nil
}

// query judges the statement's outermost SELECT.
func (c rowWise) query(node map[string]any) string {
	from, _ := node["from_table"].(map[string]any)
	ctes, _ := node["cte_map"].(map[string]any)
	switch {
	case node["type"] == "SET_OPERATION_NODE":
		return "it is a set operation (" + strings.TrimSpace(strings.ReplaceAll(lower(node, "setop_type"), "_", " ")) + ")"
	case node["type"] != "SELECT_NODE":
		return "it is no plain SELECT"
	case !empty(from["column_name_alias"]):
		return c.at(from) + "columns are renamed in FROM"
	case !empty(ctes["map"]):
		return "it has a WITH"
	case from["type"] == "JOIN":
		return c.at(from) + "a join"
	case from["type"] == "SUBQUERY":
		return c.at(from) + "a subquery"
	case from["type"] != "BASE_TABLE":
		return "it does not read one source alone"
	case !empty(node["group_expressions"]), !empty(node["group_sets"]), node["aggregate_handling"] != "STANDARD_HANDLING":
		return "it has a GROUP BY"
	case node["having"] != nil:
		return "it has a HAVING"
	case node["qualify"] != nil:
		return "it has a QUALIFY"
	}
	modifiers, _ := node["modifiers"].([]any)
	for _, modifier := range modifiers {
		m, _ := modifier.(map[string]any)
		switch m["type"] {
		case "ORDER_MODIFIER": // decides nothing without a LIMIT
		case "DISTINCT_MODIFIER":
			return "it has a DISTINCT"
		default:
			return "it has a LIMIT"
		}
	}
	for _, part := range []any{node["select_list"], node["where_clause"]} {
		if why := c.expression(part); why != "" {
			return why
		}
	}
	return ""
}

// plain are the classes of expressions that are of one row if their parts are.
var plain = []string{"BETWEEN", "CASE", "CAST", "COLLATE", "COLUMN_REF", "COMPARISON", "CONJUNCTION", "CONSTANT",
	"LAMBDA", "LAMBDA_REF", "OPERATOR", "POSITIONAL_REFERENCE", "STAR"}

func (c rowWise) expression(tree any) string {
	switch n := tree.(type) {
	case []any:
		for _, child := range n {
			if why := c.expression(child); why != "" {
				return why
			}
		}
	case map[string]any:
		if why := c.visit(n); why != "" {
			return why
		}
		for _, key := range slices.Sorted(maps.Keys(n)) {
			if why := c.expression(n[key]); why != "" {
				return why
			}
		}
	}
	return ""
}

func (c rowWise) visit(n map[string]any) string {
	class, ok := n["class"].(string)
	switch {
	case !ok || slices.Contains(plain, class): // without a class it is a part of an expression
		return ""
	case class == "SUBQUERY":
		return c.at(n) + "a subquery"
	case class == "WINDOW":
		return c.at(n) + "window function " + lower(n, "function_name")
	case class == "PARAMETER":
		return "it uses $" + lower(n, "identifier")
	case class != "FUNCTION":
		return c.at(n) + strings.ToLower(class)
	}
	return c.call(n)
}

func (c rowWise) call(n map[string]any) string {
	name := lower(n, "function_name")
	f := c.functions[name]
	switch {
	case f.scalar:
		return ""
	case f.macro == "" || c.depth == maxMacroDepth:
		return c.at(n) + "function " + name + " is not of one row"
	}
	definition, err := c.macros(f.macro)
	inner := c
	inner.depth++
	if err != nil || inner.macroBody(definition) != "" {
		return c.at(n) + "function " + name + " is not of one row"
	}
	return ""
}

// macroBody judges the expression that a macro stands for.
func (c rowWise) macroBody(node map[string]any) string { return c.expression(node["select_list"]) }

// at returns "line 3: " for a node that tells where it stands.
func (c rowWise) at(n map[string]any) string {
	offset, ok := n["query_location"].(float64)
	if !ok || offset < 0 || offset >= float64(len(c.sql)) {
		return ""
	}
	return fmt.Sprintf("line %d: ", 1+strings.Count(c.sql[:int(offset)], "\n"))
}

// movedRows returns why rows may have other timestamps in the result than in the
// source: then which window sees a row depends on how a range is cut. Any column of
// type Timestamp may be the one that the result is held to.
func movedRows(node map[string]any, t transform.Table, schema feature.Schema) string {
	const unclear = "its columns cannot be told apart: write them with one * at most, without COLUMNS, REPLACE and RENAME"
	items, _ := node["select_list"].([]any)
	stars, next := 0, 0
	for _, item := range items {
		n, _ := item.(map[string]any)
		width, same := 1, isColumn(n, t.TimestampField)
		if n["class"] == "STAR" {
			if n["columns"] == true || n["expr"] != nil || !empty(n["replace_list"]) || !empty(n["rename_list"]) {
				return unclear
			}
			width = len(schema) - len(items) + 1
			stars++
		}
		if stars > 1 || width < 0 || next+width > len(schema) {
			return unclear
		}
		for _, f := range schema[next : next+width] {
			if n["class"] == "STAR" {
				same = strings.EqualFold(f.Name, t.TimestampField)
			}
			if f.Type == feature.Timestamp && !same {
				return fmt.Sprintf("column %q is another timestamp than %q of %s, so that rows may move between windows", f.Name, t.TimestampField, t.Name)
			}
		}
		next += width
	}
	return ""
}

// isColumn reports whether n is a column of that name, with or without its table's.
func isColumn(n map[string]any, name string) bool {
	names, _ := n["column_names"].([]any)
	if n["class"] != "COLUMN_REF" || len(names) == 0 || len(names) > 2 {
		return false
	}
	last, _ := names[len(names)-1].(string)
	return strings.EqualFold(last, name)
}

func empty(list any) bool {
	all, ok := list.([]any)
	return !ok || len(all) == 0
}
