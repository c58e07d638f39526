package transform

import (
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/tilery/tilery/pkg/feature"
)

// Bounds of one query.
const (
	MaxSQLBytes = 1 << 20
	MaxFiles    = 10_000 // over all tables
)

// Validate checks what q says about itself, before any engine sees it. Errors are ErrSQL.
func (q Query) Validate() error {
	if err := Validate(q.SQL, q.Tables); err != nil {
		return err
	}
	if err := validateSchema(q.Output, q.TimestampField); err != nil {
		return fmt.Errorf("%w: output: %w", ErrSQL, err)
	}
	if q.TimestampField == "" {
		return fmt.Errorf("%w: output: no timestamp field is named", ErrSQL)
	}
	return nil
}

// Validate checks a statement's form and the declarations of its tables. Errors are ErrSQL.
func Validate(sql string, tables []Table) error {
	switch {
	case len(sql) > MaxSQLBytes:
		return fmt.Errorf("%w: the statement has %d bytes, more than %d", ErrSQL, len(sql), MaxSQLBytes)
	case !plainText(sql):
		return fmt.Errorf("%w: the statement is not UTF-8 text without NUL", ErrSQL)
	}
	names := make(map[string]bool)
	files := 0
	for _, t := range tables {
		if t.Name == "" || !plainText(t.Name) {
			return fmt.Errorf("%w: %q cannot be a source's name", ErrSQL, t.Name)
		}
		folded := strings.ToLower(t.Name)
		if names[folded] {
			return fmt.Errorf("%w: source %q is declared twice (upper and lower case are the same)", ErrSQL, t.Name)
		}
		names[folded] = true
		if err := validateSchema(t.Schema, t.TimestampField); err != nil {
			return fmt.Errorf("%w: source %q: %w", ErrSQL, t.Name, err)
		}
		switch t.Format {
		case "", feature.Parquet, feature.CSV, feature.JSON, feature.Delta:
		default:
			return fmt.Errorf("%w: source %q: format %q is unknown", ErrSQL, t.Name, t.Format)
		}
		if files += len(t.Files); files > MaxFiles {
			return fmt.Errorf("%w: the sources have more than %d files: run shorter windows or compact them", ErrSQL, MaxFiles)
		}
		for _, f := range t.Schema {
			if t.Format == feature.CSV && f.Type.IsArray() {
				return fmt.Errorf("%w: source %q: column %q is %s, and CSV has no arrays", ErrSQL, t.Name, f.Name, f.Type)
			}
		}
		for _, file := range t.Files {
			if file.Path == "" || !plainText(file.Path) {
				return fmt.Errorf("%w: source %q: %q cannot be a file's path", ErrSQL, t.Name, file.Path)
			}
		}
	}
	return nil
}

func validateSchema(schema feature.Schema, timestampField string) error {
	if len(schema) == 0 {
		return fmt.Errorf("no columns are declared")
	}
	seen := make(map[string]bool)
	for _, f := range schema {
		folded := strings.ToLower(f.Name)
		switch {
		case f.Name == "" || !plainText(f.Name):
			return fmt.Errorf("%q cannot be a column's name", f.Name)
		case seen[folded]:
			return fmt.Errorf("column %q is declared twice (upper and lower case are the same)", f.Name)
		case f.Type.IsArray() && f.Type.Scalar() == feature.Timestamp:
			return fmt.Errorf("column %q is %s, but arrays of timestamps are not supported", f.Name, f.Type)
		}
		if _, err := f.Type.MarshalText(); err != nil {
			return fmt.Errorf("column %q has the unknown type %s", f.Name, f.Type)
		}
		seen[folded] = true
	}
	if timestampField == "" {
		return nil
	}
	if f, _ := schema.Lookup(timestampField); f.Type != feature.Timestamp {
		return fmt.Errorf("timestamp field %q is no declared column of type Timestamp", timestampField)
	}
	return nil
}

// plainText reports whether s survives a C string unchanged.
func plainText(s string) bool { return utf8.ValidString(s) && !strings.ContainsRune(s, 0) }
