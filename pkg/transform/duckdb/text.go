package duckdb

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/tilery/tilery/pkg/feature"
	"github.com/tilery/tilery/pkg/transform"
)

// maxHeaderBytes bounds the header line of a CSV file.
const maxHeaderBytes = 1 << 20

// csvLayout finds the table's columns in the header line of a file. All columns
// are read as text under names of their positions, so that no header can confuse DuckDB.
func csvLayout(t transform.Table, path string) (layout, error) {
	header, err := readHeader(path)
	if err != nil {
		return layout{}, err
	}
	position := make(map[string]int, len(header))
	columns := make([]string, len(header))
	for i, name := range header {
		if _, twice := position[name]; twice {
			if _, declared := t.Schema.Lookup(name); declared {
				return layout{}, fmt.Errorf("%w: the header line has column %q twice", transform.ErrSQL, name)
			}
		}
		position[name] = i
		columns[i] = fmt.Sprintf("c%d: 'VARCHAR'", i)
	}
	l := layout{function: "read_csv", options: `auto_detect = false, header = true, delim = ',', quote = '"', escape = '"', nullstr = '', ` +
		"filename = 'file', compression = " + compression(path, "none") + ", columns = {" + strings.Join(columns, ", ") + "}"}
	for _, f := range t.Schema {
		i, ok := position[f.Name]
		if !ok {
			return layout{}, fmt.Errorf("%w: there is no column %q (%s), only %s", transform.ErrSQL, f.Name, f.Type, strings.Join(header, ", "))
		}
		raw := fmt.Sprintf("c%d", i)
		l.add(t, f, raw, parse(raw, f.Type), "file")
	}
	return l, nil
}

// jsonLayout reads each declared column as JSON, so that what a value is can be
// told apart from what it could be taken for.
func jsonLayout(t transform.Table, path string) layout {
	file := "file"
	columns := make([]string, len(t.Schema))
	for i, f := range t.Schema {
		columns[i] = quoteName(f.Name) + ": 'JSON'"
		if strings.HasPrefix(strings.ToLower(f.Name), file) {
			file = strings.ToLower(f.Name) + "_" // longer than any declared name that begins like it
		}
	}
	l := layout{function: "read_json", options: "auto_detect = false, format = 'newline_delimited', records = true, " +
		"filename = " + quoteText(file) + ", compression = " + compression(path, "uncompressed") + ", columns = {" + strings.Join(columns, ", ") + "}"}
	for _, f := range t.Schema {
		raw, file := quoteName(f.Name), quoteName(file)
		l.add(t, f, raw, parseJSON(raw, f.Type, f, file), file)
	}
	return l
}

// jsonTypes are the kinds of JSON values, as DuckDB calls them, that a column may hold.
var jsonTypes = map[feature.Type]string{
	feature.Bool:      "'BOOLEAN'",
	feature.Int32:     "'BIGINT', 'UBIGINT'",
	feature.Int64:     "'BIGINT', 'UBIGINT'",
	feature.Float32:   "'DOUBLE', 'BIGINT', 'UBIGINT'",
	feature.Float64:   "'DOUBLE', 'BIGINT', 'UBIGINT'",
	feature.String:    "'VARCHAR'",
	feature.Timestamp: "'VARCHAR'",
}

// parseJSON returns the expression for the JSON value in the column raw as t, null
// if it is no t. A bad element of an array is an error that names f.
func parseJSON(raw string, t feature.Type, f feature.Field, file string) string {
	kinds, value := jsonTypes[t], "TRY_CAST("+raw+" AS "+sqlType(t)+")"
	switch {
	case t.IsArray():
		element := strings.TrimSuffix(raw, `"`) + `[]"` // raw is a quoted name
		parsed := orError(parseJSON(element, t.Element(), f, file), element, "json_type("+element+") <> 'NULL'", f, file)
		kinds, value = "'ARRAY'", "list_transform(json_extract("+raw+", '$[*]'), lambda "+element+": "+parsed+")"
	case t == feature.String || t == feature.Timestamp:
		value = parse(raw+" ->> '$'", t)
	}
	return "CASE WHEN json_type(" + raw + ") IN (" + kinds + ") THEN " + value + " END"
}

// orError returns the expression for value, which comes from raw: where it is null
// although raw is given, it is an error. file is the column of the file's path.
func orError(value, raw, given string, f feature.Field, file string) string {
	message := fmt.Sprintf(": column %q (%s): bad value ", f.Name, f.Type)
	return "COALESCE(" + value + ", CASE WHEN " + given + " THEN " +
		"error('file ' || " + file + " || " + quoteText(message) + " || left(CAST(" + raw + " AS VARCHAR), 100)) END)"
}

// add adds the column f, which is value where raw can be read and an error where
// it is neither that nor null. file is the column of the file's path.
func (l *layout) add(t transform.Table, f feature.Field, raw, value, file string) {
	value = orError(value, raw, raw+" IS NOT NULL", f, file)
	l.values = append(l.values, value)
	if f.Name == t.TimestampField {
		l.where = between(value, timestampLiteral, t.Interval)
	}
}

// parse returns the expression for the text raw as t, null if it is no t. A cast
// alone would round "1.5" to an integer and 1e39 to a Float32 of infinity, and
// ignore a timestamp's zone.
func parse(raw string, t feature.Type) string {
	try := "TRY_CAST(" + raw + " AS " + sqlType(t) + ")"
	switch t {
	case feature.String:
		return raw
	case feature.Int32, feature.Int64:
		return "CASE WHEN TRY_CAST(" + raw + " AS DOUBLE) = " + try + " THEN " + try + " END"
	case feature.Float32:
		return "CASE WHEN isfinite(TRY_CAST(" + raw + " AS DOUBLE)) = isfinite(" + try + ") THEN " + try + " END"
	case feature.Timestamp:
		return "make_timestamp(epoch_us(TRY_CAST(" + raw + " AS TIMESTAMPTZ)))"
	}
	return try
}

func compression(path, none string) string {
	if strings.HasSuffix(path, ".gz") {
		return "'gzip'"
	}
	return quoteText(none)
}

// readHeader returns the first line of a CSV file.
func readHeader(path string) ([]string, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	var content io.Reader = file
	if strings.HasSuffix(path, ".gz") {
		if content, err = gzip.NewReader(file); err != nil {
			return nil, fmt.Errorf("decompress: %w", err)
		}
	}
	return parseHeader(content)
}

func parseHeader(content io.Reader) ([]string, error) {
	buffered := bufio.NewReader(io.LimitReader(content, maxHeaderBytes))
	start, err := buffered.Peek(4)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("read the header line: %w", err)
	}
	mark := []byte("\ufeff")
	if bytes.HasPrefix(start, mark) {
		_, _ = buffered.Discard(len(mark)) // they were peeked
		start = start[len(mark):]
	}
	if len(start) == 0 || start[0] == '\n' || start[0] == '\r' {
		return nil, fmt.Errorf("%w: there is no header line", transform.ErrSQL)
	}
	header, err := csv.NewReader(buffered).Read()
	if malformed := (*csv.ParseError)(nil); errors.As(err, &malformed) {
		return nil, fmt.Errorf("%w: header line: %w", transform.ErrSQL, err)
	}
	if err != nil {
		return nil, fmt.Errorf("read the header line: %w", err)
	}
	return header, nil
}
