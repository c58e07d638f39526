package frame

import (
	"errors"
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"

	"github.com/tilery/tilery/pkg/feature"
	"github.com/tilery/tilery/pkg/record"
	"github.com/tilery/tilery/pkg/window"
)

// maxRowBytes bounds a line of JSON, and a row of CSV with its line breaks.
const maxRowBytes = maxBytes

// byteOrderMark may stand before the first line.
const byteOrderMark = "\ufeff"

// rowReader reads a row of a text format into values, one for each column.
type rowReader interface {
	// read returns io.EOF after the last row.
	read(values []feature.Value) error
}

// textDecoder is a decoder of rows.
type textDecoder struct {
	types  feature.Schema
	others []string // columns that are left out
	rows   rowReader
	values []feature.Value
}

func newTextDecoder(types feature.Schema, others []string, rows rowReader) *textDecoder {
	return &textDecoder{types: types, others: others, rows: rows, values: make([]feature.Value, len(types))}
}

func (d *textDecoder) schema() feature.Schema { return d.types }

func (d *textDecoder) dropped() []string { return d.others }

func (d *textDecoder) fill(b *batch) error {
	for !b.full() && len(d.types) > 0 {
		err := d.rows.read(d.values)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if err := record.AppendColumns(b.builder.Fields(), d.values); err != nil {
			return err
		}
		for _, v := range d.values {
			b.bytes += weight(v)
		}
		b.rows++
	}
	return nil
}

func (d *textDecoder) close() {}

func weight(v feature.Value) int64 {
	n := int64(8)
	switch {
	case v.Type() == feature.String:
		n = int64(len(v.Text())) + 4
	case v.Type().IsArray():
		for e := range v.Elements() {
			n += weight(e)
		}
	}
	return n
}

// checkWeight refuses values that take more than limit bytes.
func checkWeight(v feature.Value, limit int) error {
	if weight(v) > int64(limit) {
		return fmt.Errorf("a value takes more than %d bytes", limit)
	}
	return nil
}

// bools are the spellings that DuckDB takes, as it reads the CSV files of sources.
var bools = map[string]bool{
	"true": true, "t": true, "yes": true, "y": true, "1": true,
	"false": false, "f": false, "no": false, "n": false, "0": false,
}

// parseText reads the text of a CSV field, which is not empty, as a value of type t.
func parseText(t feature.Type, text string) (feature.Value, bool) {
	if t == feature.String {
		return feature.StringValue(text), true
	}
	text = strings.TrimSpace(text)
	switch t {
	case feature.Bool:
		v, ok := bools[strings.ToLower(text)]
		return feature.BoolValue(v), ok
	case feature.Int64:
		v, ok := parseInt(text, 64)
		return feature.Int64Value(v), ok
	case feature.Int32:
		v, ok := parseInt(text, 32)
		return feature.Int32Value(int32(v)), ok
	case feature.Float64:
		v, err := parseFloat(text, 64)
		return feature.Float64Value(v), err == nil
	case feature.Float32:
		v, err := parseFloat(text, 32)
		return feature.Float32Value(float32(v)), err == nil
	case feature.Timestamp:
		v, err := parseTime(text)
		return feature.TimestampValue(v), err == nil
	}
	v, err := feature.Literal(text).Value(t)
	return v, err == nil && !v.IsNull()
}

// parseInt reads an integer, also one that is written as a float: columns of integers
// with nulls are floats to pandas.
func parseInt(text string, bits int) (int64, bool) {
	if v, err := strconv.ParseInt(text, 10, bits); err == nil {
		return v, true
	}
	if whole, fraction, ok := strings.Cut(text, "."); ok && strings.Trim(fraction, "0") == "" {
		v, err := strconv.ParseInt(whole, 10, bits)
		return v, err == nil
	}
	f, err := parseFloat(text, 64)
	if err != nil || f != math.Trunc(f) || math.Abs(f) > 1<<53 || int64(f)>>(bits-1) != int64(f)>>63 {
		return 0, false
	}
	return int64(f), true
}

// parseFloat reads a decimal number, NaN or an infinity; Go's hexadecimal is none.
func parseFloat(text string, bits int) (float64, error) {
	if strings.ContainsAny(text, "xX_") {
		return 0, strconv.ErrSyntax
	}
	return strconv.ParseFloat(text, bits)
}

// parseTime reads what window.Parse does, and a blank for the T also before a zone, and
// zones of hours alone, as pandas and databases write them.
func parseTime(text string) (window.Time, error) {
	if len(text) > len("2006-01-02 15") && text[10] == ' ' {
		text = text[:10] + "T" + text[11:]
	}
	if n := len(text) - len("+00"); n > len("2006-01-02T15") && (text[n] == '+' || text[n] == '-') {
		text += ":00"
	}
	return window.Parse(text)
}
