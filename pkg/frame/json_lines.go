package frame

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"unicode/utf8"
)

// jsonLines reads lines that are JSON objects.
type jsonLines struct {
	scanner *bufio.Scanner
	line    int
}

func newJSONLines(s *source) *jsonLines {
	scanner := bufio.NewScanner(s.all())
	scanner.Buffer(make([]byte, 256<<10), maxRowBytes)
	return &jsonLines{scanner: scanner}
}

// next calls field for each field of the next line that is not blank; io.EOF if there
// is none. Errors name the line, and those of field the column.
func (l *jsonLines) next(field func(name, value []byte) error) error {
	for l.scanner.Scan() {
		l.line++
		line := l.scanner.Bytes()
		if l.line == 1 {
			line = bytes.TrimPrefix(line, []byte(byteOrderMark))
		}
		if line = bytes.TrimSpace(line); len(line) > 0 {
			return l.fields(line, field)
		}
	}
	err := l.scanner.Err()
	switch {
	case errors.Is(err, bufio.ErrTooLong):
		return fmt.Errorf("line %d: it takes more than %d bytes", l.line+1, maxRowBytes)
	case err != nil:
		return err
	}
	return io.EOF
}

func (l *jsonLines) fields(line []byte, field func(name, value []byte) error) error {
	switch {
	case line[0] != '{':
		return fmt.Errorf("line %d: %.40q is not the beginning of an object: write an object for each row, each in a line", l.line, line)
	case !json.Valid(line):
		var decoded json.RawMessage
		return fmt.Errorf("line %d: it is no JSON object: %w", l.line, json.Unmarshal(line, &decoded))
	case !utf8.Valid(line):
		return fmt.Errorf("line %d: it is not UTF-8", l.line)
	}
	for rest := line[1:]; ; {
		rest = bytes.TrimLeft(rest, " \t\r\n,")
		if rest[0] == '}' {
			return nil
		}
		name, after := cutJSON(rest)
		value, after := cutJSON(bytes.TrimLeft(after, " \t\r\n:"))
		rest = after
		plain := name[1 : len(name)-1]
		if bytes.IndexByte(name, '\\') >= 0 {
			var text string
			if err := json.Unmarshal(name, &text); err != nil {
				return fmt.Errorf("line %d: %w", l.line, err)
			}
			plain = []byte(text)
		}
		if err := field(plain, value); err != nil {
			return fmt.Errorf("line %d, column %q: %w", l.line, plain, err)
		}
	}
}

// cutJSON splits valid JSON after its first value.
func cutJSON(data []byte) (value, rest []byte) {
	depth, quoted := 0, false
	for i := 0; i < len(data); i++ {
		switch c := data[i]; {
		case quoted && c == '\\':
			i++
		case c == '"':
			quoted = !quoted
			if !quoted && depth == 0 {
				return data[:i+1], data[i+1:]
			}
		case quoted:
		case c == '{' || c == '[':
			depth++
		case c == '}' || c == ']':
			if depth == 0 { // of what is around a number or a word
				return data[:i], data[i:]
			}
			if depth--; depth == 0 {
				return data[:i+1], data[i+1:]
			}
		case depth == 0 && (c == ',' || c == ' ' || c == '\t' || c == '\r' || c == '\n'):
			return data[:i], data[i:]
		}
	}
	return data, nil
}
