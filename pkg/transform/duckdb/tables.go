package duckdb

import (
	"context"
	"fmt"
	"strings"

	bindings "github.com/duckdb/duckdb-go-bindings"

	"github.com/tilery/tilery/pkg/transform"
)

// resultView holds the result of the view's SQL, out of its reach.
const resultView = "tilery.result"

// createTables makes each table a view of its name and then confines the
// session to the tables' files.
func (s *session) createTables(ctx context.Context, tables []transform.Table) error {
	statements := []string{"CREATE SCHEMA tilery"}
	var paths []string
	for _, t := range tables {
		if err := s.files.note(t.Files); err != nil {
			return fmt.Errorf("source %q: %w", t.Name, err)
		}
		parts, err := s.parts(ctx, t)
		if err != nil {
			return fmt.Errorf("source %q: %w", t.Name, err)
		}
		selects := make([]string, len(parts))
		for i, p := range parts {
			selects[i] = p.selectFrom(t.Schema)
		}
		statements = append(statements, "CREATE VIEW main."+quoteName(t.Name)+" AS "+strings.Join(selects, " UNION ALL "))
		for _, file := range t.Files {
			paths = append(paths, file.Path, literalPath(file.Path))
		}
	}
	if err := s.exec(statements...); err != nil {
		return fmt.Errorf("create the sources' views: %w", err)
	}
	if err := s.confine(paths); err != nil {
		return fmt.Errorf("confine duckdb to the sources' files: %w", err)
	}
	return nil
}

// literalPath keeps DuckDB from reading a file's name as a pattern.
var literalPath = strings.NewReplacer("[", "[[]", "*", "[*]", "?", "[?]").Replace

// createResult makes sql's result a view and returns its columns. sql has been
// checked to be one SELECT, so that text around it is sure to stay around it.
func (s *session) createResult(sql string) ([]column, error) {
	names, err := s.resultNames(sql)
	if err != nil {
		return nil, err
	}
	seen := make(map[string]bool)
	for _, name := range names {
		folded := strings.ToLower(name)
		if seen[folded] {
			return nil, fmt.Errorf("%w: the result has two columns named %q: rename one with AS", transform.ErrSQL, name)
		}
		seen[folded] = true
	}
	if err := s.exec("CREATE VIEW " + resultView + " AS " + sql); err != nil {
		return nil, err
	}
	return s.columns(resultView)
}

// resultNames binds sql as it was written, which gives errors their right
// positions, and returns its columns' names, which a view would make distinct.
func (s *session) resultNames(sql string) ([]string, error) {
	var statement bindings.PreparedStatement
	state := bindings.Prepare(s.conn, sql, &statement)
	defer bindings.DestroyPrepare(&statement)
	if state != bindings.StateSuccess {
		return nil, engineError(bindings.PrepareError(statement))
	}
	names := make([]string, bindings.PreparedStatementColumnCount(statement))
	for i := range names {
		names[i] = bindings.PreparedStatementColumnName(statement, bindings.IdxT(i))
	}
	return names, nil
}

// selectOutput returns the statement that delivers q's output from the result view.
func selectOutput(q transform.Query, result []column) (string, error) {
	byName := make(map[string]column, len(result))
	names := make([]string, len(result))
	for i, c := range result {
		byName[c.Name], names[i] = c, c.Name
	}
	values := make([]string, len(q.Output))
	for i, f := range q.Output {
		c, ok := byName[f.Name]
		if !ok {
			return "", fmt.Errorf("%w: the result has no column %q, only %s", transform.ErrSQL, f.Name, strings.Join(names, ", "))
		}
		if !c.deliveredAs(f.Type) {
			return "", fmt.Errorf("%w: column %q of the result is %s, want %s: write CAST(%s AS %s)",
				transform.ErrSQL, f.Name, c.Type, f.Type, quoteName(f.Name), sqlType(f.Type))
		}
		values[i] = c.as(f.Type) + " AS " + quoteName(f.Name)
	}
	return "SELECT " + strings.Join(values, ", ") + " FROM " + resultView + " WHERE " + byName[q.TimestampField].within(q.Interval), nil
}
