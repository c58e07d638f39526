package frame

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"unicode/utf8"

	"github.com/tilery/tilery/pkg/feature"
)

func openCSV(s *source, o Options) (decoder, error) {
	rows, err := startCSV(s, o)
	if err != nil {
		return nil, err
	}
	var types feature.Schema
	var places []int // by column: its field
	var others []string
	inferred := make([]*inference, len(rows.header)) // nil where the type is known or not needed
	unknown := false
	for i, name := range rows.header {
		if !o.reads(name) {
			others = append(others, name)
			continue
		}
		known, ok := o.Known.Lookup(name)
		if !ok {
			inferred[i], unknown = &inference{}, true
		}
		types, places = append(types, feature.Field{Name: name, Type: known.Type}), append(places, i)
	}
	if unknown {
		if err := inferCSV(rows, inferred); err != nil {
			return nil, err
		}
		for i, place := range places {
			if inference := inferred[place]; inference != nil {
				types[i].Type = inference.result()
			}
		}
		if rows, err = startCSV(s, o); err != nil {
			return nil, err
		}
	}
	rows.types, rows.places = types, places
	return newTextDecoder(types, others, rows), nil
}

func inferCSV(rows *csvRows, columns []*inference) error {
	for {
		fields, err := rows.next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		for i, text := range fields {
			if column := columns[i]; column != nil && text != "" && column.open() != isText {
				column.add(csvKinds(text, column.open()))
			}
		}
	}
}

// csvRows reads the rows of a CSV file.
type csvRows struct {
	fields  *csvFields
	header  []string
	types   feature.Schema
	places  []int // by type: its field
	maxText int
}

// startCSV reads the header line.
func startCSV(s *source, o Options) (*csvRows, error) {
	fields, err := newCSVFields(s)
	if err != nil {
		return nil, err
	}
	header, err := fields.next()
	if errors.Is(err, io.EOF) {
		return nil, errors.New("there is no header line")
	}
	if err != nil {
		return nil, err
	}
	if err := checkNames(header, o); err != nil {
		return nil, fmt.Errorf("line %d: %w", fields.lines[0], err)
	}
	return &csvRows{fields: fields, header: slices.Clone(header), maxText: o.MaxTextBytes}, nil
}

func (r *csvRows) next() ([]string, error) {
	fields, err := r.fields.next()
	if err != nil {
		return nil, err
	}
	return fields, r.fields.checkCount(r.header)
}

func (r *csvRows) read(values []feature.Value) error {
	fields, err := r.next()
	if err != nil {
		return err
	}
	for i, place := range r.places {
		if values[i], err = r.value(r.types[i].Type, fields[place]); err != nil {
			return fmt.Errorf("line %d, column %q: %w", r.fields.lines[place], r.types[i].Name, err)
		}
	}
	return nil
}

func (r *csvRows) value(t feature.Type, text string) (feature.Value, error) {
	if text == "" {
		return feature.Null, nil
	}
	if !utf8.ValidString(text) {
		return feature.Null, fmt.Errorf("%.40q is not UTF-8", text)
	}
	v, ok := parseText(t, text)
	if !ok {
		return feature.Null, fmt.Errorf("%.100q is no %s", text, t)
	}
	return v, checkWeight(v, r.maxText)
}
