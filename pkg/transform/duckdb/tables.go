package duckdb

import (
	"context"
	"errors"
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
		parts, err := s.parts(ctx, t)
		if err != nil {
			return fmt.Errorf("source %q: %w", t.Name, err)
		}
		selects := make([]string, len(parts))
		for i, p := range parts {
			selects[i] = p.selectFrom(t)
		}
		statements = append(statements, "CREATE VIEW main."+quoteName(t.Name)+" AS "+strings.Join(selects, " UNION ALL "))
		for _, file := range t.Files {
			paths = append(paths, file, literalPath(file))
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

// part is the files of a table that hold its declared columns in the same
// types. Without files it stands for no rows.
type part struct {
	columns []column // as stored, in the order of the table's schema
	files   []string
}

// parts groups the table's files by their types.
func (s *session) parts(ctx context.Context, t transform.Table) ([]part, error) {
	if len(t.Files) == 0 {
		return []part{{}}, nil
	}
	var parts []part
	index := make(map[string]int)
	for _, file := range t.Files {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		columns, err := s.storedColumns(t, file)
		if err != nil {
			return nil, fmt.Errorf("file %s: %w", file, err)
		}
		key := fmt.Sprint(columns)
		i, ok := index[key]
		if !ok {
			i = len(parts)
			index[key] = i
			parts = append(parts, part{columns: columns})
		}
		parts[i].files = append(parts[i].files, file)
	}
	return parts, nil
}

// storedColumns finds the table's columns in a file.
func (s *session) storedColumns(t transform.Table, file string) ([]column, error) {
	stored, err := s.columns("(FROM " + readParquet([]string{file}) + ")")
	if errors.Is(err, transform.ErrSQL) {
		// A file that is cut off is no fault of the SQL: another attempt may find it whole.
		return nil, errors.New(err.Error())
	}
	if err != nil {
		return nil, err
	}
	types := make(map[string]string, len(stored))
	names := make([]string, len(stored))
	for i, c := range stored {
		types[c.Name], names[i] = c.Type, c.Name
	}
	columns := make([]column, len(t.Schema))
	for i, f := range t.Schema {
		c := column{Name: f.Name, Type: types[f.Name]}
		if c.Type == "" {
			return nil, fmt.Errorf("%w: there is no column %q (%s), only %s", transform.ErrSQL, f.Name, f.Type, strings.Join(names, ", "))
		}
		if !c.readableAs(f.Type) {
			return nil, fmt.Errorf("%w: column %q is %s, which cannot be read as the declared %s", transform.ErrSQL, f.Name, c.Type, f.Type)
		}
		columns[i] = c
	}
	return columns, nil
}

// selectFrom returns the SELECT of the part's visible rows and columns.
func (p part) selectFrom(t transform.Table) string {
	values := make([]string, len(t.Schema))
	for i, f := range t.Schema {
		value := "CAST(NULL AS " + sqlTypes[f.Type] + ")"
		if len(p.files) > 0 {
			value = p.columns[i].as(f.Type)
		}
		values[i] = value + " AS " + quoteName(f.Name)
	}
	sql := "SELECT " + strings.Join(values, ", ")
	if len(p.files) == 0 {
		return sql + " WHERE false"
	}
	sql += " FROM " + readParquet(p.files)
	for _, c := range p.columns {
		if c.Name == t.TimestampField {
			sql += " WHERE " + c.within(t.Interval)
		}
	}
	return sql
}

// readParquet reads exactly the columns that the files hold: names of
// directories never add or replace one.
func readParquet(files []string) string {
	literal := make([]string, len(files))
	for i, file := range files {
		literal[i] = literalPath(file)
	}
	return "read_parquet(" + quoteList(literal) + ", hive_partitioning = false, union_by_name = false)"
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
		if resultTypes[c.Type] != f.Type {
			return "", fmt.Errorf("%w: column %q of the result is %s, want %s: write CAST(%s AS %s)",
				transform.ErrSQL, f.Name, c.Type, f.Type, quoteName(f.Name), sqlTypes[f.Type])
		}
		values[i] = c.as(f.Type) + " AS " + quoteName(f.Name)
	}
	return "SELECT " + strings.Join(values, ", ") + " FROM " + resultView + " WHERE " + byName[q.TimestampField].within(q.Interval), nil
}
