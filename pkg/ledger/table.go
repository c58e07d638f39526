package ledger

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
	"unicode"
)

const columnAttempt = "ATTEMPT"

// Table is a status table: cells are text, times UTC, and what is unknown "N/A".
// As JSON it is an array with an object per row, its fields in the columns' order.
type Table struct {
	Columns []string
	Rows    [][]string
}

// SortKeyError is a sort key that is no column of the table.
type SortKeyError struct {
	Key     string
	Columns []string
}

// Error gives Tecton's text.
func (e *SortKeyError) Error() string {
	return fmt.Sprintf("Unknown sort key %s, should be one of: %s", e.Key, strings.Join(e.Columns, ", "))
}

// sortKeys returns the indexes of the columns that a list with commas names.
func (t Table) sortKeys(list string) ([]int, error) {
	if list == "" {
		return nil, nil
	}
	var keys []int
	for name := range strings.SplitSeq(list, ",") {
		name = strings.TrimSpace(name)
		n := slices.Index(t.Columns, name)
		if n < 0 {
			return nil, &SortKeyError{name, t.Columns}
		}
		keys = append(keys, n)
	}
	return keys, nil
}

// sort orders rows by columns, ascending, and leaves equal ones as they are. What
// is missing comes after what is a number or a time.
func (t Table) sort(by []int) {
	slices.SortStableFunc(t.Rows, func(a, b []string) int {
		for _, n := range by {
			order := strings.Compare(a[n], b[n])
			if t.Columns[n] == columnAttempt {
				order = compareNumbers(a[n], b[n])
			}
			if order != 0 {
				return order
			}
		}
		return 0
	})
}

func compareNumbers(a, b string) int {
	n, errA := strconv.Atoi(a)
	m, errB := strconv.Atoi(b)
	if errA != nil || errB != nil {
		return strings.Compare(a, b)
	}
	return cmp.Compare(n, m)
}

// WriteText writes the table for a terminal, under a line about the time zone.
func (t Table) WriteText(w io.Writer) error {
	if _, err := io.WriteString(w, "All the displayed times are in UTC time zone\n"); err != nil {
		return err
	}
	out := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, row := range append([][]string{t.Columns}, t.Rows...) {
		cells := make([]string, len(row))
		for n, cell := range row {
			cells[n] = strings.Map(blankControls, cell)
		}
		fmt.Fprintln(out, strings.Join(cells, "\t"))
	}
	return out.Flush()
}

// blankControls keeps a failure's text, with its line ends and tabs, in one cell.
func blankControls(r rune) rune {
	if unicode.IsControl(r) {
		return ' '
	}
	return r
}

// MarshalJSON implements json.Marshaler.
func (t Table) MarshalJSON() ([]byte, error) {
	var out bytes.Buffer
	out.WriteByte('[')
	for n, row := range t.Rows {
		if n > 0 {
			out.WriteByte(',')
		}
		out.WriteByte('{')
		for c, cell := range row {
			if c > 0 {
				out.WriteByte(',')
			}
			field, err := json.Marshal(t.Columns[c])
			if err != nil {
				return nil, err
			}
			value, err := json.Marshal(cell)
			if err != nil {
				return nil, err
			}
			out.Write(field)
			out.WriteByte(':')
			out.Write(value)
		}
		out.WriteByte('}')
	}
	out.WriteByte(']')
	return out.Bytes(), nil
}
