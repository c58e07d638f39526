package frame

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"

	"github.com/tilery/tilery/pkg/feature"
	"github.com/tilery/tilery/pkg/window"
)

// appendFunc appends the text of the value at a row.
type appendFunc func(dst []byte, row int) []byte

// flushBytes is what a text writer gathers before it writes.
const flushBytes = 64 << 10

// csvWriter writes lines that end with a line feed. The only field of a line is
// quoted when it is null, for a line that is empty is no row.
type csvWriter struct {
	out  io.Writer
	text []byte
}

func newCSVWriter(out io.Writer, schema feature.Schema) (Writer, error) {
	w := &csvWriter{out: out}
	for i, f := range schema {
		if i > 0 {
			w.text = append(w.text, ',')
		}
		w.text = appendField(w.text, f.Name)
	}
	w.text = append(w.text, '\n')
	return w, w.Close()
}

func (w *csvWriter) Write(rec arrow.Record) error {
	fields := make([]appendFunc, rec.NumCols())
	for i, column := range rec.Columns() {
		fields[i] = csvValue(column)
	}
	for row := range int(rec.NumRows()) {
		for i, field := range fields {
			if i > 0 {
				w.text = append(w.text, ',')
			}
			if rec.Column(i).IsValid(row) {
				w.text = field(w.text, row)
			} else if len(fields) == 1 {
				w.text = append(w.text, `""`...)
			}
		}
		w.text = append(w.text, '\n')
		if len(w.text) >= flushBytes {
			if err := w.Close(); err != nil {
				return err
			}
		}
	}
	return w.Close()
}

func (w *csvWriter) Close() error {
	_, err := w.out.Write(w.text)
	w.text = w.text[:0]
	return err
}

// csvValue returns what appends the values of a column that are not null.
func csvValue(column arrow.Array) appendFunc {
	value := jsonText(column)
	var text []byte
	switch c := column.(type) {
	case *array.String:
		return func(dst []byte, row int) []byte { return appendField(dst, c.Value(row)) }
	case *array.List:
		return func(dst []byte, row int) []byte {
			text = value(text[:0], row)
			return appendField(dst, string(text))
		}
	case *array.Timestamp, *array.Float64, *array.Float32: // JSON has them as texts
		return func(dst []byte, row int) []byte {
			text = value(text[:0], row)
			return append(dst, bytes.Trim(text, `"`)...)
		}
	}
	return value
}

// appendField quotes a field where RFC 4180 wants it, and spaces around it, which some
// readers drop.
func appendField(dst []byte, text string) []byte {
	if text != "" && !strings.ContainsAny(text, ",\"\r\n") && strings.TrimSpace(text) == text {
		return append(dst, text...)
	}
	dst = append(dst, '"')
	dst = append(dst, strings.ReplaceAll(text, `"`, `""`)...)
	return append(dst, '"')
}

// jsonWriter writes an object a line.
type jsonWriter struct {
	out   io.Writer
	names [][]byte // with what comes before and after
	text  []byte
}

func newJSONWriter(out io.Writer, schema feature.Schema) Writer {
	w := &jsonWriter{out: out}
	for i, f := range schema {
		name := []byte{'{'}
		if i > 0 {
			name[0] = ','
		}
		w.names = append(w.names, append(appendJSONText(name, f.Name), ':'))
	}
	return w
}

func (w *jsonWriter) Write(rec arrow.Record) error {
	values := make([]appendFunc, rec.NumCols())
	for i, column := range rec.Columns() {
		values[i] = orNull(column)
	}
	for row := range int(rec.NumRows()) {
		for i, value := range values {
			w.text = value(append(w.text, w.names[i]...), row)
		}
		w.text = append(w.text, "}\n"...)
		if len(w.text) >= flushBytes {
			if err := w.Close(); err != nil {
				return err
			}
		}
	}
	return w.Close()
}

func (w *jsonWriter) Close() error {
	_, err := w.out.Write(w.text)
	w.text = w.text[:0]
	return err
}

func orNull(column arrow.Array) appendFunc {
	value := jsonText(column)
	return func(dst []byte, row int) []byte {
		if column.IsNull(row) {
			return append(dst, "null"...)
		}
		return value(dst, row)
	}
}

// jsonText returns what appends the values of a column that are not null as JSON.
func jsonText(column arrow.Array) appendFunc {
	switch c := column.(type) {
	case *array.Boolean:
		return func(dst []byte, row int) []byte { return strconv.AppendBool(dst, c.Value(row)) }
	case *array.Int64:
		return func(dst []byte, row int) []byte { return strconv.AppendInt(dst, c.Value(row), 10) }
	case *array.Int32:
		return func(dst []byte, row int) []byte { return strconv.AppendInt(dst, int64(c.Value(row)), 10) }
	case *array.Float64:
		return func(dst []byte, row int) []byte { return appendFloat(dst, c.Value(row), 64) }
	case *array.Float32:
		return func(dst []byte, row int) []byte { return appendFloat(dst, float64(c.Value(row)), 32) }
	case *array.String:
		return func(dst []byte, row int) []byte { return appendJSONText(dst, c.Value(row)) }
	case *array.Timestamp:
		return func(dst []byte, row int) []byte {
			at := window.Time(c.Value(row)).Time()
			return append(at.AppendFormat(append(dst, '"'), "2006-01-02T15:04:05.000000Z"), '"')
		}
	case *array.List:
		element := orNull(c.ListValues())
		return func(dst []byte, row int) []byte {
			dst = append(dst, '[')
			from, to := c.ValueOffsets(row)
			for i := from; i < to; i++ {
				if i > from {
					dst = append(dst, ',')
				}
				dst = element(dst, int(i))
			}
			return append(dst, ']')
		}
	}
	panic(fmt.Sprintf("frame: columns of type %s are not written", column.DataType())) //nolint:forbidigo // the schema has feature types
}

// appendFloat appends the shortest text that is v, with a point or an exponent, so that
// it reads back as a float.
func appendFloat(dst []byte, v float64, bits int) []byte {
	switch {
	case math.IsNaN(v):
		return append(dst, `"NaN"`...)
	case math.IsInf(v, 1):
		return append(dst, `"Infinity"`...)
	case math.IsInf(v, -1):
		return append(dst, `"-Infinity"`...)
	}
	start := len(dst)
	dst = strconv.AppendFloat(dst, v, 'g', -1, bits)
	if !bytes.ContainsAny(dst[start:], ".e") {
		dst = append(dst, ".0"...)
	}
	return dst
}

func appendJSONText(dst []byte, text string) []byte {
	plain := utf8.ValidString(text)
	for i := 0; plain && i < len(text); i++ {
		plain = text[i] >= ' ' && text[i] != '"' && text[i] != '\\'
	}
	if plain {
		return append(append(append(dst, '"'), text...), '"')
	}
	var quoted bytes.Buffer
	encoder := json.NewEncoder(&quoted)
	encoder.SetEscapeHTML(false)
	_ = encoder.Encode(text) // a text always encodes
	return append(dst, bytes.TrimSuffix(quoted.Bytes(), []byte("\n"))...)
}
