package duckdb

import (
	"fmt"
	"regexp"
	"strings"

	"github.com/tilery/tilery/pkg/transform"
	"github.com/tilery/tilery/pkg/window"
)

// The parameters of the window's bounds.
const (
	startTime = "start_time"
	endTime   = "end_time"
)

// lexeme matches the pieces of SQL that may hold a dollar sign without meaning a
// parameter (texts, quoted names, remarks, names), and the two parameters.
var lexeme = regexp.MustCompile(`(?is)'(?:[^']|'')*'|"(?:[^"]|"")*"|--[^\n]*|/\*.*?\*/|[\pL_][\pL\pN_$]*|\$(?:start|end)_time\b`)

// bind returns the statement with the bounds of i in it, as a view cannot hold
// parameters. DuckDB's tree does not tell where they stand, so that the text is
// searched, and whether that was right is seen by the tree: it had as many, and
// has none left.
func (s *session) bind(checked statement, tables []transform.Table, i window.Interval) (string, error) {
	if checked.bounds == 0 {
		return checked.sql, nil
	}
	found := 0
	sql := lexeme.ReplaceAllStringFunc(checked.sql, func(piece string) string {
		bound := i.Start
		switch strings.ToLower(piece) {
		case "$" + startTime:
		case "$" + endTime:
			bound = i.End
		default:
			return piece
		}
		found++
		return fmt.Sprintf("("+timestampLiteral+")", instant(bound))
	})
	bound, err := s.check(sql, tables)
	if err == nil && (found != checked.bounds || bound.bounds > 0) {
		err = fmt.Errorf("%w: it stands %d times in the statement, but can be found %d times", transform.ErrSQL, checked.bounds, found)
	}
	if err != nil {
		return "", fmt.Errorf("put $%s and $%s in: %w", startTime, endTime, err)
	}
	return sql, nil
}
