package repository

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"path"
	"reflect"
	"regexp"
	"strconv"
	"strings"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"

	"github.com/tilery/tilery/pkg/feature"
)

// Parsed is a repository with the places of its definitions.
type Parsed struct {
	feature.Repository
	places map[object]document
}

type object struct{ kind, name string }

// document is where an object's fields stand.
type document struct {
	file  string
	line  int
	lines map[string]int
}

// Locate finds the place of a problem: its field's line, or the nearest enclosing one.
func (p *Parsed) Locate(problem feature.Problem) Problem {
	doc := p.places[object{problem.Kind, problem.Name}]
	line := doc.line
	for field := problem.Field; field != ""; field = field[:max(0, strings.LastIndexAny(field, ".["))] {
		if at, ok := doc.lines[field]; ok {
			line = at
			break
		}
	}
	return Problem{doc.file, line, problem}
}

// Parse reads and validates the definitions in files. The error is an *Error
// when the definitions are at fault, ErrTooLarge past the limits.
func Parse(files []File) (*Parsed, error) {
	total := 0
	for _, f := range files {
		total += len(f.Content)
	}
	if err := checkSize(len(files), total); err != nil {
		return nil, err
	}
	p := &parser{files: map[string]string{}, parsed: &Parsed{places: map[object]document{}}}
	for _, f := range files {
		p.files[f.Path] = f.Content
	}
	for _, f := range files {
		p.file(f)
	}
	if len(p.problems) == 0 {
		for _, problem := range p.parsed.Validate() {
			p.problems = append(p.problems, p.parsed.Locate(problem))
		}
	}
	if len(p.problems) > 0 {
		return nil, &Error{p.problems}
	}
	return p.parsed, nil
}

type parser struct {
	files    map[string]string
	parsed   *Parsed
	problems []Problem
}

// full reports whether enough was found wrong.
func (p *parser) full() bool { return len(p.problems) >= maxProblems }

func (p *parser) report(file string, line int, problem feature.Problem) {
	if !p.full() {
		p.problems = append(p.problems, Problem{file, line, problem})
	}
}

func (p *parser) file(f File) {
	if !utf8.ValidString(f.Content) {
		p.report(f.Path, invalidLine(f.Content), feature.Problem{Kind: "file", Text: "is not UTF-8 text"})
		return
	}
	if !f.isYAML() {
		return
	}
	if len(f.Content) > maxYAMLBytes {
		p.report(f.Path, 1, feature.Problem{Kind: "file", Text: fmt.Sprintf("is longer than %d bytes: split it", maxYAMLBytes)})
		return
	}
	documents := yaml.NewDecoder(strings.NewReader(f.Content))
	for !p.full() {
		var node yaml.Node
		err := documents.Decode(&node)
		if errors.Is(err, io.EOF) {
			return
		}
		if err != nil {
			line, text := yamlError(err)
			p.report(f.Path, line, feature.Problem{Kind: "YAML", Text: text})
			return
		}
		if len(node.Content) == 1 {
			p.document(f.Path, node.Content[0])
		}
	}
}

// invalidLine returns the first line that is not UTF-8.
func invalidLine(content string) int {
	line := 0
	for text := range strings.Lines(content) {
		line++
		if !utf8.ValidString(text) {
			break
		}
	}
	return line
}

var (
	yamlErrorForm   = regexp.MustCompile(`^yaml: (?:line (\d+): )?`)
	parserErrorForm = regexp.MustCompile(`^(did not find expected ([<',-]|key|node content)|found (undefined tag handle|duplicate %|incompatible YAML))`)
)

// yamlError splits an error of the YAML library into its line, 1 if it has none, and the rest.
func yamlError(err error) (line int, text string) {
	found := yamlErrorForm.FindStringSubmatch(err.Error())
	if found == nil {
		return 1, err.Error()
	}
	text = err.Error()[len(found[0]):]
	line, numberErr := strconv.Atoi(found[1])
	switch {
	case numberErr != nil:
		return 1, text
	case parserErrorForm.MatchString(text):
		return line + 1, text // the library counts from 0 where the structure is wrong
	}
	return line, text
}

func (p *parser) document(file string, node *yaml.Node) {
	if isNull(node) {
		return // nothing but comments
	}
	if node.Kind != yaml.MappingNode {
		p.report(file, node.Line, feature.Problem{Kind: "document", Text: "want the fields of one object, its kind and name among them, got " + describe(node)})
		return
	}
	o := object{scalar(node, "kind"), scalar(node, "name")}
	repository := &p.parsed.Repository
	switch o.kind {
	case "Entity":
		add(p, &repository.Entities, file, o, node)
	case "BatchSource":
		add(p, &repository.BatchSources, file, o, node)
	case "BatchFeatureView":
		view, at := add(p, &repository.BatchFeatureViews, file, o, node)
		p.inlineSQL(view, at)
	case "FeatureTable":
		add(p, &repository.FeatureTables, file, o, node)
	case "FeatureService":
		add(p, &repository.FeatureServices, file, o, node)
	default:
		text := fmt.Sprintf("%q is unknown, want one of", o.kind)
		if o.kind == "" {
			text = "is required, one of"
		}
		p.report(file, node.Line, feature.Problem{Kind: "document", Name: o.name, Field: "kind", Text: text + " Entity, BatchSource, BatchFeatureView, FeatureTable, FeatureService"})
	}
}

// scalar returns the value of a field that holds one, else "".
func scalar(node *yaml.Node, field string) string {
	for i := 0; i+1 < len(node.Content); i += 2 {
		value := resolve(node.Content[i+1])
		if node.Content[i].Value == field && value.Kind == yaml.ScalarNode && !isNull(value) {
			return value.Value
		}
	}
	return ""
}

// add decodes an object onto list. Two objects of one name would have one place
// between them, so they and those without a name are reported here already.
func add[T any](p *parser, list *[]T, file string, o object, node *yaml.Node) (*T, document) {
	report := func(line int, field, text string) {
		p.report(file, line, feature.Problem{Kind: o.kind, Name: o.name, Field: field, Text: text})
	}
	*list = append(*list, *new(T))
	added := &(*list)[len(*list)-1]
	fields := reflect.ValueOf(added).Elem()
	fields.FieldByName("DefinedIn").SetString(file)
	at := document{file, node.Line, map[string]int{}}
	d := &decoder{places: at.lines, report: report}
	d.decode(node, fields, "")
	first, taken := p.parsed.places[o]
	switch {
	case o.name == "":
		report(cmp.Or(at.lines["name"], node.Line), "name", "is required")
	case taken:
		report(at.lines["name"], "name", fmt.Sprintf("is defined twice, first at %s:%d", first.file, first.line))
	default:
		p.parsed.places[o] = at
	}
	return added, at
}

var sqlFile = regexp.MustCompile(`^[A-Za-z0-9_./-]+\.sql$`)

// inlineSQL replaces the name of a .sql file by its content. Line ends are YAML's:
// a checkout on another system must not change the view's fingerprint.
func (p *parser) inlineSQL(view *feature.BatchFeatureView, at document) {
	relative := strings.TrimSpace(view.Transformation)
	if !sqlFile.MatchString(relative) {
		return
	}
	name := path.Join(path.Dir(at.file), relative)
	content, ok := p.files[name]
	if !ok {
		p.report(at.file, at.lines["transformation"], feature.Problem{Kind: "BatchFeatureView", Name: view.Name,
			Field: "transformation", Text: fmt.Sprintf("no file %s in the repository", name)})
		return
	}
	view.Transformation = strings.ReplaceAll(content, "\r\n", "\n")
}
