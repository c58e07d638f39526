package frame

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
)

// csvFields splits CSV into rows of fields as RFC 4180 has it; a line may end without
// a carriage return. Unlike encoding/csv it keeps carriage returns that are quoted,
// and bounds rows.
type csvFields struct {
	in   *bufio.Reader
	line int    // lines read
	size int    // bytes read of the row
	long []byte // a line that is longer than in's buffer

	text  []byte // of the row's fields, one after the other
	ends  []int  // by field
	lines []int  // by field: where it begins
	row   []string
}

// newCSVFields passes over a byte order mark.
func newCSVFields(s *source) (*csvFields, error) {
	in := bufio.NewReaderSize(s.all(), 256<<10)
	start, err := in.Peek(len(byteOrderMark))
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	if string(start) == byteOrderMark {
		_, _ = in.Discard(len(byteOrderMark)) // they were peeked
	}
	return &csvFields{in: in}, nil
}

// next returns the fields of the next row, which are valid on; io.EOF if there is none.
// Empty lines are no rows. The list is valid until the next call.
func (c *csvFields) next() ([]string, error) {
	c.text, c.ends, c.lines, c.row = c.text[:0], c.ends[:0], c.lines[:0], c.row[:0]
	line := []byte(nil)
	for len(trimEnd(line)) == 0 {
		var err error
		c.size = 0
		if line, err = c.readLine(); err != nil {
			return nil, err
		}
	}
	for more := true; more; {
		c.lines = append(c.lines, c.line)
		var err error
		if len(line) > 0 && line[0] == '"' {
			line, more, err = c.quoted(line[1:])
		} else {
			line, more, err = c.plain(line)
		}
		if err != nil {
			return nil, err
		}
		c.ends = append(c.ends, len(c.text))
	}
	text, from := string(c.text), 0
	for _, to := range c.ends {
		c.row = append(c.row, text[from:to])
		from = to
	}
	return c.row, nil
}

// plain reads a field without quotes. It returns what comes after its comma, if there
// is one.
func (c *csvFields) plain(line []byte) (rest []byte, more bool, err error) {
	field, rest, more := bytes.Cut(line, []byte{','})
	if !more {
		field = trimEnd(field)
	}
	if bytes.IndexByte(field, '"') >= 0 {
		return nil, false, fmt.Errorf("line %d: a quote stands in the field %.40q, which does not begin with one", c.line, field)
	}
	c.text = append(c.text, field...)
	return rest, more, nil
}

// quoted reads a field after its first quote, as plain does.
func (c *csvFields) quoted(line []byte) (rest []byte, more bool, err error) {
	first := c.line
	for {
		part, after, closed := bytes.Cut(line, []byte{'"'})
		c.text = append(c.text, part...)
		switch {
		case !closed:
			if after, err = c.readLine(); errors.Is(err, io.EOF) {
				err = fmt.Errorf("line %d: a quote is not closed", first)
			}
			if err != nil {
				return nil, false, err
			}
		case len(after) > 0 && after[0] == '"':
			c.text = append(c.text, '"')
			after = after[1:]
		case len(after) > 0 && after[0] == ',':
			return after[1:], true, nil
		case len(trimEnd(after)) == 0:
			return nil, false, nil
		default:
			return nil, false, fmt.Errorf("line %d: %.40q stands after the closing quote of a field", c.line, trimEnd(after))
		}
		line = after
	}
}

// readLine returns a line with its end, valid until the next call.
func (c *csvFields) readLine() ([]byte, error) {
	c.long = c.long[:0]
	for {
		part, err := c.in.ReadSlice('\n')
		c.size += len(part)
		switch {
		case c.size > maxRowBytes:
			return nil, fmt.Errorf("line %d: a row takes more than %d bytes; a quote may be open", c.line+1, maxRowBytes)
		case errors.Is(err, bufio.ErrBufferFull):
			c.long = append(c.long, part...)
			continue
		case err != nil && !errors.Is(err, io.EOF):
			return nil, err
		}
		if len(c.long) > 0 {
			part = append(c.long, part...)
			c.long = part
		}
		if len(part) == 0 {
			return nil, io.EOF
		}
		c.line++
		return part, nil
	}
}

func trimEnd(line []byte) []byte {
	return bytes.TrimSuffix(bytes.TrimSuffix(line, []byte{'\n'}), []byte{'\r'})
}

// checkCount refuses a row that has not a field for each column.
func (c *csvFields) checkCount(header []string) error {
	if len(c.row) == len(header) {
		return nil
	}
	return fmt.Errorf("line %d: %d fields, and the header line has %d: %.200s", c.lines[0], len(c.row), len(header), strings.Join(header, ", "))
}
