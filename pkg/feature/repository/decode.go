package repository

import (
	"encoding"
	"fmt"
	"reflect"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// decoder fills a struct from a YAML node by its JSON names. It differs from
// the YAML library's own in that every error knows its field and line, and that
// it goes on after one.
type decoder struct {
	places map[string]int // field path -> line
	report func(line int, field, text string)
}

var textUnmarshaler = reflect.TypeFor[encoding.TextUnmarshaler]()

func (d *decoder) decode(node *yaml.Node, target reflect.Value, path string) {
	if node.Kind == yaml.AliasNode {
		node = node.Alias
	}
	d.places[path] = node.Line
	switch {
	case target.Addr().Type().Implements(textUnmarshaler):
		d.text(node, target, path)
	case target.Kind() == reflect.Struct:
		d.mapping(node, target, path)
	case target.Kind() == reflect.Slice:
		if node.Kind != yaml.SequenceNode {
			d.report(node.Line, path, "want a list")
			return
		}
		target.Set(reflect.MakeSlice(target.Type(), len(node.Content), len(node.Content)))
		for i, item := range node.Content {
			d.decode(item, target.Index(i), fmt.Sprintf("%s[%d]", path, i))
		}
	default:
		if err := node.Decode(target.Addr().Interface()); err != nil {
			d.report(node.Line, path, fmt.Sprintf("want %s, got %s", kindName(target), describe(node)))
		}
	}
}

func (d *decoder) text(node *yaml.Node, target reflect.Value, path string) {
	if node.Kind != yaml.ScalarNode {
		d.report(node.Line, path, fmt.Sprintf("want one value, got %s", describe(node)))
		return
	}
	if err := target.Addr().Interface().(encoding.TextUnmarshaler).UnmarshalText([]byte(node.Value)); err != nil {
		d.report(node.Line, path, err.Error())
	}
}

func (d *decoder) mapping(node *yaml.Node, target reflect.Value, path string) {
	if node.Kind != yaml.MappingNode {
		d.report(node.Line, path, fmt.Sprintf("want fields, got %s", describe(node)))
		return
	}
	known := map[string]reflect.Value{}
	var names []string
	for _, field := range reflect.VisibleFields(target.Type()) {
		if name, _, _ := strings.Cut(field.Tag.Get("json"), ","); name != "" {
			known[name] = target.FieldByIndex(field.Index)
			names = append(names, name)
		}
	}
	seen := map[string]bool{}
	for i := 0; i+1 < len(node.Content); i += 2 {
		key, value := node.Content[i], node.Content[i+1]
		at := strings.TrimPrefix(path+"."+key.Value, ".")
		field, ok := known[key.Value]
		switch {
		case key.Value == "kind" && path == "":
		case !ok:
			slices.Sort(names)
			d.report(key.Line, at, "unknown field, want one of "+strings.Join(names, ", "))
		case seen[key.Value]:
			d.report(key.Line, at, "is given twice")
		default:
			d.decode(value, field, at)
		}
		seen[key.Value] = true
	}
}

func kindName(v reflect.Value) string {
	switch v.Kind() {
	case reflect.Bool:
		return "true or false"
	case reflect.Map:
		return "a mapping of texts"
	case reflect.String:
		return "a text"
	default:
		return "a " + v.Kind().String()
	}
}

func describe(node *yaml.Node) string {
	switch node.Kind {
	case yaml.MappingNode:
		return "a mapping"
	case yaml.SequenceNode:
		return "a list"
	default:
		return fmt.Sprintf("%q", node.Value)
	}
}
