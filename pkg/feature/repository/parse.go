package repository

import (
	"errors"
	"fmt"
	"io"
	"path"
	"reflect"
	"regexp"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/tilery/tilery/pkg/feature"
)

// Problem is a problem and its place.
type Problem struct {
	File string
	Line int
	feature.Problem
}

// String renders file:line: kind name: field: text.
func (p Problem) String() string {
	return fmt.Sprintf("%s:%d: %s", p.File, p.Line, p.Problem)
}

// Error is a repository that cannot be used, with everything that is wrong with it.
type Error struct{ Problems []Problem }

// Error renders one problem a line.
func (e *Error) Error() string {
	lines := make([]string, len(e.Problems))
	for i, p := range e.Problems {
		lines[i] = p.String()
	}
	return strings.Join(lines, "\n")
}

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
// when the definitions are at fault.
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
		if f.isYAML() {
			p.file(f)
		}
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

func (p *parser) file(f File) {
	documents := yaml.NewDecoder(strings.NewReader(f.Content))
	for {
		var node yaml.Node
		err := documents.Decode(&node)
		if errors.Is(err, io.EOF) {
			return
		}
		if err != nil {
			p.problems = append(p.problems, Problem{f.Path, yamlLine(err), feature.Problem{Kind: "YAML", Text: err.Error()}})
			return
		}
		if len(node.Content) == 1 {
			p.document(f.Path, node.Content[0])
		}
	}
}

var yamlErrorLine = regexp.MustCompile(`line (\d+)`)

func yamlLine(err error) int {
	line := 1
	if found := yamlErrorLine.FindStringSubmatch(err.Error()); found != nil {
		_, _ = fmt.Sscan(found[1], &line)
	}
	return line
}

func (p *parser) document(file string, node *yaml.Node) {
	if node.Kind == yaml.ScalarNode && node.Tag == "!!null" {
		return // nothing but comments
	}
	kind, name := scalar(node, "kind"), scalar(node, "name")
	repository := &p.parsed.Repository
	switch kind {
	case "Entity":
		add(p, &repository.Entities, file, kind, name, node)
	case "BatchSource":
		add(p, &repository.BatchSources, file, kind, name, node)
	case "BatchFeatureView":
		add(p, &repository.BatchFeatureViews, file, kind, name, node)
		p.inlineSQL(file, &repository.BatchFeatureViews[len(repository.BatchFeatureViews)-1])
	default:
		p.problems = append(p.problems, Problem{file, node.Line, feature.Problem{Kind: "document", Name: name, Field: "kind",
			Text: fmt.Sprintf("%q is unknown, want one of Entity, BatchSource, BatchFeatureView", kind)}})
	}
}

func scalar(node *yaml.Node, field string) string {
	for i := 0; node.Kind == yaml.MappingNode && i+1 < len(node.Content); i += 2 {
		if node.Content[i].Value == field {
			return node.Content[i+1].Value
		}
	}
	return ""
}

func add[T any](p *parser, list *[]T, file, kind, name string, node *yaml.Node) {
	*list = append(*list, *new(T))
	lines := map[string]int{}
	d := &decoder{places: lines, report: func(line int, field, text string) {
		p.problems = append(p.problems, Problem{file, line, feature.Problem{Kind: kind, Name: name, Field: field, Text: text}})
	}}
	d.decode(node, reflect.ValueOf(&(*list)[len(*list)-1]).Elem(), "")
	p.parsed.places[object{kind, name}] = document{file, node.Line, lines}
}

var sqlFile = regexp.MustCompile(`^[A-Za-z0-9_./-]+\.sql$`)

// inlineSQL replaces the name of a .sql file by its content.
func (p *parser) inlineSQL(file string, view *feature.BatchFeatureView) {
	if !sqlFile.MatchString(view.Transformation) {
		return
	}
	name := path.Join(path.Dir(file), view.Transformation)
	content, ok := p.files[name]
	if !ok {
		p.problems = append(p.problems, p.parsed.Locate(feature.Problem{Kind: "BatchFeatureView", Name: view.Name,
			Field: "transformation", Text: fmt.Sprintf("no file %s in the repository", name)}))
		return
	}
	view.Transformation = content
}
