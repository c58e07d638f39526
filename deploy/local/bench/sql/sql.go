// Package sql runs statements on an in-memory DuckDB, the engine that the worker
// links: the peer that benchmarks measure, and what generates and compares their data.
package sql

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	bindings "github.com/duckdb/duckdb-go-bindings"
)

// Database is an in-memory DuckDB with one connection.
type Database struct {
	db   bindings.Database
	conn bindings.Connection
}

// Limited is the settings of a peer with so many threads and bytes of memory.
func Limited(threads int, memory int64, spill string) map[string]string {
	return map[string]string{
		"threads": strconv.Itoa(threads), "memory_limit": strconv.FormatInt(memory, 10) + "B",
		"temp_directory": spill, "preserve_insertion_order": "false",
	}
}

// Open starts a database with settings.
func Open(settings map[string]string) (*Database, error) {
	var config bindings.Config
	if bindings.CreateConfig(&config) != bindings.StateSuccess {
		return nil, errors.New("open duckdb: no memory for a configuration")
	}
	defer bindings.DestroyConfig(&config)
	for name, value := range settings {
		if bindings.SetConfig(config, name, value) != bindings.StateSuccess {
			return nil, fmt.Errorf("open duckdb: option %s does not take %q", name, value)
		}
	}
	d := &Database{}
	var message string
	if bindings.OpenExt(":memory:", &d.db, config, &message) != bindings.StateSuccess {
		return nil, fmt.Errorf("open duckdb: %s", message)
	}
	if bindings.Connect(d.db, &d.conn) != bindings.StateSuccess {
		d.Close()
		return nil, errors.New("open duckdb: no connection")
	}
	return d, nil
}

// Close ends the database.
func (d *Database) Close() {
	bindings.Disconnect(&d.conn)
	bindings.Close(&d.db)
}

// Exec runs a statement, which is a format for args.
func (d *Database) Exec(format string, args ...any) error {
	sql := fmt.Sprintf(format, args...)
	var result bindings.Result
	defer bindings.DestroyResult(&result)
	if bindings.Query(d.conn, sql, &result) != bindings.StateSuccess {
		return fmt.Errorf("%s: %s", sql, bindings.ResultError(&result))
	}
	return nil
}

// Row runs a SELECT that returns one row, and returns its columns as CSV has them.
// dir takes a file for a moment.
func (d *Database) Row(dir, format string, args ...any) ([]string, error) {
	file := filepath.Join(dir, "row.csv")
	if err := d.Exec("COPY (%s) TO '%s' (FORMAT csv, HEADER false)", fmt.Sprintf(format, args...), file); err != nil {
		return nil, err
	}
	data, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	return strings.Split(strings.TrimSpace(string(data)), ","), os.Remove(file)
}
