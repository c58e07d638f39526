package viewtest

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"os"
	"path/filepath"
	"slices"

	"github.com/tilery/tilery/pkg/feature"
	"github.com/tilery/tilery/pkg/source"
	"github.com/tilery/tilery/pkg/transform"
	"github.com/tilery/tilery/pkg/window"
)

// mock is a source of the view with the test's rows, as a file of JSON.
type mock struct {
	source feature.Source
	path   string
	times  []window.Time // of the rows
}

// table is the mock as the SQL of a window sees it.
func (m mock) table(w window.Interval) transform.Table {
	return transform.Table{
		Name: m.source.Name, Schema: m.source.Schema, TimestampField: m.source.BatchConfig.TimestampField, Interval: m.source.Visible(w),
		Format: feature.JSON, Files: []source.File{{Path: m.path}},
	}
}

func (r *run) writeMocks(context.Context) error {
	for i, s := range r.view.Sources {
		m := mock{source: s, path: filepath.Join(r.dir, fmt.Sprintf("mock-%d.json", i))}
		var lines bytes.Buffer
		for j, row := range r.test.Mocks[s.Name] {
			at := fmt.Sprintf("mocks.%s[%d]", s.Name, j)
			values, err := r.values(at, row, s.Schema)
			if err != nil {
				return err
			}
			line := map[string]any{}
			for name, v := range values {
				if line[name], err = jsonOf(v); err != nil {
					return r.fault("%s.%s: %v", at, name, err)
				}
			}
			if at := values[s.BatchConfig.TimestampField]; !at.IsNull() {
				m.times = append(m.times, at.Timestamp())
			}
			if err := json.NewEncoder(&lines).Encode(line); err != nil {
				return fmt.Errorf("write %s: %w", at, err)
			}
		}
		if err := os.WriteFile(m.path, lines.Bytes(), 0o600); err != nil {
			return fmt.Errorf("write mocks of %s: %w", s.Name, err)
		}
		r.mocks = append(r.mocks, m)
	}
	return nil
}

// values reads a row's columns, which must be of schema; at says where they stand.
func (r *run) values(at string, row feature.Row, schema feature.Schema) (map[string]feature.Value, error) {
	out := map[string]feature.Value{}
	for _, name := range slices.Sorted(maps.Keys(row)) {
		column, ok := schema.Lookup(name)
		if !ok {
			return nil, r.fault("%s.%s: no such column, want one of %s", at, name, schema)
		}
		v, err := row[name].Value(column.Type)
		if err != nil {
			return nil, r.fault("%s.%s: %v", at, name, err)
		}
		out[name] = v
	}
	return out, nil
}

// jsonOf returns a value as files of JSON hold it.
func jsonOf(v feature.Value) (any, error) {
	switch v.Type() {
	case feature.InvalidType:
		return nil, nil
	case feature.Bool:
		return v.Bool(), nil
	case feature.Int64:
		return v.Int64(), nil
	case feature.Int32:
		return v.Int32(), nil
	case feature.Float64:
		return finite(v.Float64())
	case feature.Float32:
		return finite(float64(v.Float32()))
	case feature.String:
		return v.Text(), nil
	case feature.Timestamp:
		return v.Timestamp().String(), nil
	}
	list := make([]any, 0, v.Len())
	for e := range v.Elements() {
		item, err := jsonOf(e)
		if err != nil {
			return nil, err
		}
		list = append(list, item)
	}
	return list, nil
}

func finite(f float64) (any, error) {
	if math.IsNaN(f) || math.IsInf(f, 0) {
		return nil, fmt.Errorf("mocks are JSON, which has no %g", f)
	}
	return f, nil
}

// mockTimes returns the timestamps of all mocks' rows, in order.
func (r *run) mockTimes() []window.Time {
	var times []window.Time
	for _, m := range r.mocks {
		times = append(times, m.times...)
	}
	slices.Sort(times)
	return times
}
