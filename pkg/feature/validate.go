package feature

import (
	"fmt"
	"regexp"
	"strings"
	"unicode/utf8"
)

// Limits of what one repository may define.
const (
	maxNameLength  = 128    // bytes
	maxDefinitions = 10_000 // of each kind
	maxJoinKeys    = 16
	maxColumns     = 1_000
)

// Problem is one thing that is wrong with a definition.
type Problem struct {
	Kind  string // for instance "BatchFeatureView"
	Name  string // of the object
	Field string // path of the field, for instance "aggregations[2].function"; empty for the object
	Text  string // what is wrong and what would be accepted
}

// String renders the problem without its place in a file.
func (p Problem) String() string {
	where := p.Kind
	if p.Name != "" {
		where += " " + p.Name
	}
	if p.Field != "" {
		where += ": " + p.Field
	}
	return where + ": " + p.Text
}

// Forms of names. A stored column is one of the offline table's, where readers
// trip over blanks and signs.
var (
	nameForm         = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9_]*$`)
	storedColumnForm = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)
)

// Validate returns everything that is wrong with the repository; none means that
// every view can be resolved. The SQL is checked where there is an engine, which
// also finds the views' Schema: features of rows, and what services take of them,
// are held to it where it is there, so plan validates again when it is.
func (r *Repository) Validate() []Problem {
	c := &checker{repository: r}
	checkNames(c, "Entity", r.Entities, func(e Entity) string { return e.Name })
	checkNames(c, "BatchSource", r.BatchSources, func(s BatchSource) string { return s.Name })
	checkNames(c, "BatchFeatureView", r.BatchFeatureViews, func(v BatchFeatureView) string { return v.Name })
	checkNames(c, "FeatureTable", r.FeatureTables, func(t FeatureTable) string { return t.Name })
	checkNames(c, "FeatureService", r.FeatureServices, func(s FeatureService) string { return s.Name })
	for _, e := range r.Entities {
		c.entity(e)
	}
	for _, s := range r.BatchSources {
		c.source(s)
	}
	for _, v := range r.BatchFeatureViews {
		c.view(v)
	}
	for _, t := range r.FeatureTables {
		c.table(t)
	}
	views := r.resolved()
	for _, s := range r.FeatureServices {
		c.service(s, views)
	}
	return c.problems
}

type checker struct {
	repository *Repository
	kind, name string // of the object at hand
	problems   []Problem
}

func (c *checker) add(field, format string, args ...any) {
	c.problems = append(c.problems, Problem{c.kind, c.name, field, fmt.Sprintf(format, args...)})
}

func checkNames[T any](c *checker, kind string, list []T, nameOf func(T) string) {
	seen := map[string]bool{}
	for _, item := range list {
		c.kind, c.name = kind, nameOf(item)
		switch {
		case c.name == "":
			c.add("name", "is required")
		case !isName(c.name):
			c.badName("name", c.name)
		case seen[c.name]:
			c.add("name", "is defined twice")
		}
		seen[c.name] = true
	}
	if len(list) > maxDefinitions {
		c.kind, c.name = kind, ""
		c.add("", "%d definitions, at most %d are allowed", len(list), maxDefinitions)
	}
}

func isName(name string) bool { return nameForm.MatchString(name) && len(name) <= maxNameLength }

func (c *checker) badName(field, name string) {
	c.add(field, "%q must be a letter followed by letters, digits and underscores, at most %d in all", name, maxNameLength)
}

func (c *checker) entity(e Entity) {
	c.kind, c.name = "Entity", e.Name
	if len(e.JoinKeys) == 0 || len(e.JoinKeys) > maxJoinKeys {
		c.add("join_keys", "needs 1 to %d columns, has %d", maxJoinKeys, len(e.JoinKeys))
	}
	c.schema("join_keys", e.JoinKeys)
	for i, f := range e.JoinKeys {
		if f.Type.valid() && f.Type != Int64 && f.Type != String {
			c.add(fmt.Sprintf("join_keys[%d].type", i), "a join key is Int64 or String, not %s", f.Type)
		}
		at := fmt.Sprintf("join_keys[%d].name", i)
		if owner := reservedColumns[fold(f.Name)]; owner != "" {
			c.add(at, "%q is taken by %s", f.Name, owner)
		}
		if f.Name != "" && !storedColumnForm.MatchString(f.Name) {
			c.badStoredColumn(at, f.Name)
		}
	}
}

func (c *checker) badStoredColumn(field, name string) {
	c.add(field, "%q must be letters, digits and underscores, not starting with a digit: rename it in the SQL", name)
}

// maxNamed bounds the names in one message: a definition can have many problems.
const maxNamed = 20

// oneOf names what would be accepted: "a", "a or b", "one of a, b, c".
func oneOf[T ~string](names ...T) string {
	var texts []string
	for _, name := range names[:min(len(names), maxNamed)] {
		texts = append(texts, string(name))
	}
	if more := len(names) - len(texts); more > 0 {
		texts = append(texts, fmt.Sprintf("and %d more", more))
	}
	if len(texts) <= 2 {
		return strings.Join(texts, " or ")
	}
	return "one of " + strings.Join(texts, ", ")
}

// schema checks names and types. SQL and the stores do not tell upper from lower
// case in names of columns.
func (c *checker) schema(field string, schema Schema) {
	if len(schema) > maxColumns {
		c.add(field, "%d columns, at most %d are allowed", len(schema), maxColumns)
	}
	seen := map[string]string{}
	for i, f := range schema {
		at := fmt.Sprintf("%s[%d].name", field, i)
		switch first := seen[fold(f.Name)]; {
		case f.Name == "":
			c.add(at, "is required")
		case len(f.Name) > maxNameLength:
			c.add(at, "is longer than %d bytes", maxNameLength)
		case !utf8.ValidString(f.Name) || strings.ContainsRune(f.Name, 0):
			c.add(at, "%q is not UTF-8 text without NUL", f.Name)
		case first == f.Name:
			c.add(at, "column %q is declared twice", f.Name)
		case first != "":
			c.add(at, "column %q differs from %q in upper and lower case only", f.Name, first)
		}
		if !f.Type.valid() {
			c.add(fmt.Sprintf("%s[%d].type", field, i), "is required, one of %s", strings.Join(typeNames[1:], ", "))
		}
		seen[fold(f.Name)] = f.Name
	}
}

func fold(name string) string { return strings.ToLower(name) }
