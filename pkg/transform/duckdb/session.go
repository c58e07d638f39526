package duckdb

import (
	"fmt"
	"os"
	"runtime"
	"strconv"
	"strings"

	bindings "github.com/duckdb/duckdb-go-bindings"

	"github.com/tilery/tilery/pkg/transform"
)

const defaultMemoryBytes = 1 << 30

// session is one in-memory instance with one connection. Only interrupt and
// progress may be called beside another method.
type session struct {
	db      bindings.Database
	conn    bindings.Connection
	tempDir string // of this session alone; empty when it may not spill
	files   files  // that the tables read
}

// open starts an instance that neither loads extensions nor touches files other
// than spilled ones below limits.TempDir, apart from what the caller reads.
func open(limits transform.Limits) (*session, error) {
	s := &session{files: files{}}
	if limits.TempDir != "" {
		// DuckDB's names for spilled files clash when two instances share a directory.
		dir, err := os.MkdirTemp(limits.TempDir, "duckdb-")
		if err != nil {
			return nil, fmt.Errorf("open duckdb: %w", err)
		}
		s.tempDir = dir
	}
	if err := s.connect(limits); err != nil {
		s.close()
		return nil, fmt.Errorf("open duckdb: %w", err)
	}
	return s, nil
}

func (s *session) connect(limits transform.Limits) error {
	memory, threads := limits.MemoryBytes, limits.Threads
	if memory <= 0 {
		memory = defaultMemoryBytes
	}
	if threads <= 0 {
		threads = runtime.GOMAXPROCS(0)
	}
	var config bindings.Config
	if bindings.CreateConfig(&config) != bindings.StateSuccess {
		return fmt.Errorf("no memory for a configuration")
	}
	defer bindings.DestroyConfig(&config)
	for _, option := range [][2]string{
		{"memory_limit", strconv.FormatInt(memory, 10) + "B"},
		{"threads", strconv.Itoa(threads)},
		{"temp_directory", s.tempDir},
		{"preserve_insertion_order", "false"}, // the contract promises no order; keeping one costs memory
		{"autoinstall_known_extensions", "false"},
		{"autoload_known_extensions", "false"},
		{"allow_community_extensions", "false"},
	} {
		if bindings.SetConfig(config, option[0], option[1]) != bindings.StateSuccess {
			return fmt.Errorf("option %s does not take %q", option[0], option[1])
		}
	}
	var message string
	if bindings.OpenExt(":memory:", &s.db, config, &message) != bindings.StateSuccess {
		return engineError(message)
	}
	if bindings.Connect(s.db, &s.conn) != bindings.StateSuccess {
		return fmt.Errorf("no connection to the instance")
	}
	return s.exec(
		"SET TimeZone = 'UTC'",
		"SET enable_progress_bar = true", // progress is not computed without it
		"SET enable_progress_bar_print = false",
	)
}

// close frees the instance and its spilled files. No statement may be running.
func (s *session) close() {
	bindings.Disconnect(&s.conn)
	bindings.Close(&s.db)
	if s.tempDir != "" {
		_ = os.RemoveAll(s.tempDir) // what is left over is the machine's to clean, not a reason to fail a finished run
	}
}

// confine cuts access to files down to the given paths, for good.
func (s *session) confine(paths []string) error {
	return s.exec(
		"SET allowed_paths = "+quoteList(paths),
		"SET enable_external_access = false",
		"SET lock_configuration = true",
	)
}

func (s *session) exec(statements ...string) error {
	for _, sql := range statements {
		if _, err := s.query(sql); err != nil {
			return err
		}
	}
	return nil
}

// query returns a small result whose columns are all VARCHAR; nulls are "".
func (s *session) query(sql string) ([][]string, error) {
	var result bindings.Result
	defer bindings.DestroyResult(&result)
	if bindings.Query(s.conn, sql, &result) != bindings.StateSuccess {
		return nil, engineError(bindings.ResultError(&result))
	}
	var rows [][]string
	for {
		chunk := bindings.FetchChunk(result)
		if chunk.Ptr == nil {
			return rows, nil
		}
		rows = append(rows, textRows(chunk)...)
		bindings.DestroyDataChunk(&chunk)
	}
}

// columns returns the columns of a relation: a name, or a SELECT in parentheses.
func (s *session) columns(relation string) ([]column, error) {
	rows, err := s.query("SELECT column_name, column_type FROM (DESCRIBE FROM " + relation + ")")
	if err != nil {
		return nil, err
	}
	out := make([]column, len(rows))
	for i, row := range rows {
		out[i] = column{Name: row[0], Type: row[1]}
	}
	return out, nil
}

func quoteName(name string) string { return `"` + strings.ReplaceAll(name, `"`, `""`) + `"` }

func quoteText(text string) string { return `'` + strings.ReplaceAll(text, `'`, `''`) + `'` }

func quoteList(texts []string) string {
	quoted := make([]string, len(texts))
	for i, text := range texts {
		quoted[i] = quoteText(text)
	}
	return "[" + strings.Join(quoted, ", ") + "]"
}
