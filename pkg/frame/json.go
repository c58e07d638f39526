package frame

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/tilery/tilery/pkg/feature"
)

func openJSON(s *source, o Options) (decoder, error) {
	columns, err := inferJSON(newJSONLines(s), o)
	if err != nil {
		return nil, err
	}
	rows := &jsonRows{lines: newJSONLines(s), places: map[string]int{}, maxText: o.MaxTextBytes}
	var others []string
	for _, c := range columns {
		if !o.reads(c.name) {
			rows.places[c.name], others = leftOut, append(others, c.name)
			continue
		}
		t := c.inference.result()
		if known, ok := o.Known.Lookup(c.name); ok {
			t = known.Type
		}
		if t == feature.InvalidType {
			return nil, fmt.Errorf("column %q: its arrays nest too deep: write them as texts", c.name)
		}
		rows.places[c.name] = len(rows.types)
		rows.types = append(rows.types, feature.Field{Name: c.name, Type: t})
	}
	rows.lastLine = make([]int, len(rows.types))
	return newTextDecoder(rows.types, others, rows), nil
}

// leftOut is the place of a column that is not read.
const leftOut = -1

type jsonColumn struct {
	name      string
	settled   bool // its values do not matter: its type is known, or it is not read
	inference inference
}

// inferJSON returns the columns in the order in which they appear.
func inferJSON(lines *jsonLines, o Options) (columns []*jsonColumn, err error) {
	places := map[string]*jsonColumn{}
	for {
		err := lines.next(func(name, value []byte) error {
			c, ok := places[string(name)]
			if !ok {
				if len(columns) == o.MaxColumns {
					return fmt.Errorf("there are more than %d columns", o.MaxColumns)
				}
				c = &jsonColumn{name: string(name)}
				_, known := o.Known.Lookup(c.name)
				c.settled = known || !o.reads(c.name)
				places[c.name], columns = c, append(columns, c)
			}
			if c.settled || c.inference.open() == isText && value[0] == '"' {
				return nil
			}
			return c.add(value)
		})
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, err
		}
	}
	names := make([]string, len(columns))
	for i, c := range columns {
		names[i] = c.name
	}
	return columns, checkNames(names, o)
}

func (c *jsonColumn) add(value []byte) error {
	decoded, err := decodeJSON(value)
	if err != nil {
		return err
	}
	before, seen := c.inference.result(), c.inference.seen
	switch {
	case c.inference.addJSON(decoded):
		return nil
	case value[0] == '{':
		return errors.New("an object is no value of a feature: write its fields as columns, or it as a text")
	case seen:
		return fmt.Errorf("%.100s does not go with the values before it, which are %s", value, before)
	}
	return fmt.Errorf("%.100s is no value that a feature can have without change: write it as a text", value)
}

// decodeJSON decodes a valid value; numbers become json.Numbers.
func decodeJSON(value []byte) (decoded any, err error) {
	switch c := value[0]; {
	case c == '"' && bytes.IndexByte(value, '\\') < 0:
		return string(value[1 : len(value)-1]), nil
	case c == '-' || c >= '0' && c <= '9':
		return json.Number(value), nil
	}
	decoder := json.NewDecoder(bytes.NewReader(value))
	decoder.UseNumber()
	err = decoder.Decode(&decoded)
	return decoded, err
}

// jsonRows reads the rows of a file of JSON lines.
type jsonRows struct {
	lines    *jsonLines
	types    feature.Schema
	places   map[string]int
	lastLine []int // by column: the last that has it
	maxText  int
}

func (r *jsonRows) read(values []feature.Value) error {
	clear(values)
	return r.lines.next(func(name, value []byte) error {
		i, ok := r.places[string(name)]
		switch {
		case !ok:
			return errors.New("the file was changed while it was read")
		case i == leftOut:
			return nil
		case r.lastLine[i] == r.lines.line:
			return errors.New("it is there twice")
		}
		r.lastLine[i] = r.lines.line
		decoded, err := decodeJSON(value)
		if err != nil {
			return err
		}
		t := r.types[i].Type
		if values[i], ok = jsonValue(t, decoded); !ok {
			advice := ""
			if t.Scalar() == feature.Timestamp {
				advice = ": write it as RFC 3339, for instance 2001-02-03T04:05:06Z"
			}
			return fmt.Errorf("%.100s is no %s%s", value, t, advice)
		}
		return checkWeight(values[i], r.maxText)
	})
}

// jsonValue reads values as definitions and answers have them, and times as CSV does.
func jsonValue(t feature.Type, decoded any) (feature.Value, bool) {
	if text, ok := decoded.(string); ok && t == feature.Timestamp {
		at, err := parseTime(strings.TrimSpace(text))
		return feature.TimestampValue(at), err == nil
	}
	return feature.JSONValue(t, decoded)
}
