package repository

import (
	"encoding"
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/tilery/tilery/pkg/feature"
	"github.com/tilery/tilery/pkg/window"
)

// maxValues bounds the values of one document, those behind an alias counted
// each time: ten lines of aliases could stand for millions.
const maxValues = 100_000

// decoder fills a struct from a YAML node by its JSON names, less the fields that
// are tagged yaml:"-". It differs from the YAML library's own in that every error
// knows its field and line, and that it goes on after one.
type decoder struct {
	places map[string]int // field path -> line
	report func(line int, field, text string)
	values int // met so far
}

var (
	textUnmarshaler = reflect.TypeFor[encoding.TextUnmarshaler]()
	instant         = reflect.TypeFor[window.Time]()
	literal         = reflect.TypeFor[feature.Literal]()
)

func (d *decoder) decode(node *yaml.Node, target reflect.Value, path string) {
	if d.exhausted(node, path) {
		return
	}
	d.places[path] = node.Line
	node = resolve(node)
	if target.Kind() == reflect.Pointer && !isNull(node) {
		target.Set(reflect.New(target.Type().Elem()))
		target = target.Elem()
	}
	switch {
	case target.Type() == literal:
		d.literal(node, target, path)
	case target.Kind() == reflect.Pointer: // nothing, as if the field were not there
	case target.Kind() == reflect.Struct && node.Kind == yaml.MappingNode: // though its text form may be a name
		d.mapping(node, target, path)
	case target.Addr().Type().Implements(textUnmarshaler):
		d.text(node, target, path)
	case target.Kind() == reflect.Struct:
		d.mapping(node, target, path)
	case target.Kind() == reflect.Slice:
		d.list(node, target, path)
	case target.Kind() == reflect.Map:
		d.named(node, target, path)
	case target.Kind() == reflect.Bool:
		if node.Kind != yaml.ScalarNode || node.Decode(target.Addr().Interface()) != nil {
			d.report(node.Line, path, "want true or false, got "+describe(node))
		}
	case target.Kind() == reflect.Int64:
		d.integer(node, target, path)
	case node.Kind != yaml.ScalarNode:
		d.report(node.Line, path, "want a text, got "+describe(node))
	case !isNull(node):
		target.SetString(node.Value) // as it is written: a name may look like a number
	}
}

// exhausted reports whether the document may hold no more values.
func (d *decoder) exhausted(node *yaml.Node, path string) bool {
	d.values++
	if d.values == maxValues+1 {
		d.report(node.Line, path, fmt.Sprintf("the document has more than %d values, aliases resolved", maxValues))
	}
	return d.values > maxValues
}

// resolve returns what an alias stands for.
func resolve(node *yaml.Node) *yaml.Node {
	if node.Kind == yaml.AliasNode {
		return node.Alias
	}
	return node
}

func (d *decoder) text(node *yaml.Node, target reflect.Value, path string) {
	if node.Kind != yaml.ScalarNode {
		want := "one value"
		if target.Kind() == reflect.Struct {
			want = "a name or fields"
		}
		d.report(node.Line, path, "want "+want+", got "+describe(node))
		return
	}
	if isNull(node) {
		return // as if the field were not there
	}
	if err := target.Addr().Interface().(encoding.TextUnmarshaler).UnmarshalText([]byte(node.Value)); err != nil {
		d.report(node.Line, path, err.Error())
		return
	}
	if target.Type() == instant && target.IsZero() {
		d.report(node.Line, path, fmt.Sprintf("%s stands for no time: leave the field out or give another", window.Time(0)))
	}
}

func (d *decoder) integer(node *yaml.Node, target reflect.Value, path string) {
	if isNull(node) {
		return
	}
	n, err := strconv.ParseInt(node.Value, 10, 64)
	if node.Kind != yaml.ScalarNode || err != nil {
		d.report(node.Line, path, "want a whole number, got "+describe(node))
		return
	}
	target.SetInt(n)
}

func (d *decoder) list(node *yaml.Node, target reflect.Value, path string) {
	if isNull(node) {
		return
	}
	if node.Kind != yaml.SequenceNode {
		d.report(node.Line, path, "want a list, got "+describe(node))
		return
	}
	length := min(len(node.Content), maxValues)
	target.Set(reflect.MakeSlice(target.Type(), length, length))
	for i, item := range node.Content[:length] {
		d.decode(item, target.Index(i), fmt.Sprintf("%s[%d]", path, i))
	}
}

// named fills a map by names.
func (d *decoder) named(node *yaml.Node, target reflect.Value, path string) {
	if isNull(node) {
		return
	}
	values := reflect.MakeMap(target.Type())
	d.fields(node, path, func(key, value *yaml.Node, at string) {
		v := reflect.New(target.Type().Elem()).Elem()
		d.decode(value, v, at)
		values.SetMapIndex(reflect.ValueOf(key.Value), v)
	})
	target.Set(values)
}

// literal writes a value, or a list of such, as JSON.
func (d *decoder) literal(node *yaml.Node, target reflect.Value, path string) {
	if node.Kind == yaml.SequenceNode {
		list := make([]feature.Literal, len(node.Content))
		for i, item := range node.Content {
			d.decode(item, reflect.ValueOf(&list[i]).Elem(), fmt.Sprintf("%s[%d]", path, i))
		}
		parts := make([]string, len(list))
		for i, item := range list {
			parts[i] = string(item)
		}
		target.SetString("[" + strings.Join(parts, ",") + "]")
		return
	}
	text, err := literalOf(node)
	if err != nil {
		d.report(node.Line, path, err.Error())
	}
	target.SetString(text)
}

func literalOf(node *yaml.Node) (string, error) {
	var v any = node.Value // a text, or a time as it is written
	switch {
	case node.Kind != yaml.ScalarNode:
		return "null", fmt.Errorf("want a value or a list of values, got %s", describe(node))
	case node.ShortTag() == "!!null":
		return "null", nil
	case node.ShortTag() == "!!bool" || node.ShortTag() == "!!int" || node.ShortTag() == "!!float":
		if err := node.Decode(&v); err != nil {
			return "null", fmt.Errorf("want a value, got %s", describe(node))
		}
	}
	if f, ok := v.(float64); ok && (math.IsNaN(f) || math.IsInf(f, 0)) {
		v = map[bool]string{math.IsNaN(f): "NaN", f > 0: "Infinity", f < 0: "-Infinity"}[true]
	}
	data, err := json.Marshal(v)
	return string(data), err
}

func (d *decoder) mapping(node *yaml.Node, target reflect.Value, path string) {
	known := map[string]reflect.Value{}
	for _, field := range reflect.VisibleFields(target.Type()) {
		if field.Tag.Get("yaml") == "-" {
			continue
		}
		if name, _, _ := strings.Cut(field.Tag.Get("json"), ","); name != "" {
			known[name] = target.FieldByIndex(field.Index)
		}
	}
	d.fields(node, path, func(key, value *yaml.Node, at string) {
		field, ok := known[key.Value]
		switch {
		case key.Value == "kind" && path == "":
		case !ok:
			d.report(key.Line, at, "unknown field, want one of "+strings.Join(slices.Sorted(maps.Keys(known)), ", "))
		default:
			d.decode(value, field, at)
		}
	})
}

// fields calls fn for each key of a mapping, given once, and its value.
func (d *decoder) fields(node *yaml.Node, path string, fn func(key, value *yaml.Node, at string)) {
	if node.Kind != yaml.MappingNode {
		d.report(node.Line, path, "want fields, got "+describe(node))
		return
	}
	seen := map[string]bool{}
	for i := 0; i+1 < len(node.Content); i += 2 {
		key, value := node.Content[i], node.Content[i+1]
		at := strings.TrimPrefix(path+"."+key.Value, ".")
		if d.exhausted(key, at) {
			return
		}
		switch {
		case key.Kind != yaml.ScalarNode:
			d.report(key.Line, path, "want the name of a field, got "+describe(key))
		case seen[key.Value]:
			d.report(key.Line, at, "is given twice")
		default:
			fn(key, value, at)
		}
		seen[key.Value] = true
	}
}

func isNull(node *yaml.Node) bool { return node.Kind == yaml.ScalarNode && node.ShortTag() == "!!null" }

func describe(node *yaml.Node) string {
	switch node.Kind {
	case yaml.MappingNode:
		return "a mapping"
	case yaml.SequenceNode:
		return "a list"
	case yaml.AliasNode:
		return "an alias"
	default:
		return fmt.Sprintf("%q", node.Value)
	}
}
