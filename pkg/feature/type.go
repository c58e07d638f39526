package feature

import (
	"fmt"
	"slices"
	"strings"
)

// Type is the type of a column, named as in Tecton's schemas.
type Type uint8

// The types. Timestamp is microseconds since the Unix epoch, UTC.
const (
	InvalidType Type = iota
	Bool
	Int64
	Float64
	String
	Timestamp
)

var typeNames = []string{"invalid", "Bool", "Int64", "Float64", "String", "Timestamp"}

// String returns the name that definitions use, for instance "Int64".
func (t Type) String() string {
	if int(t) < len(typeNames) {
		return typeNames[t]
	}
	return fmt.Sprintf("Type(%d)", uint8(t))
}

// Numeric reports whether values of t can be added up.
func (t Type) Numeric() bool { return t == Int64 || t == Float64 }

// valid reports whether t is one of the types.
func (t Type) valid() bool { return t > InvalidType && int(t) < len(typeNames) }

// MarshalText implements encoding.TextMarshaler. It refuses what UnmarshalText
// could not read, InvalidType too.
func (t Type) MarshalText() ([]byte, error) {
	if !t.valid() {
		return nil, fmt.Errorf("%s is no type of a column", t)
	}
	return []byte(t.String()), nil
}

// UnmarshalText implements encoding.TextUnmarshaler; the error lists what would be accepted.
func (t *Type) UnmarshalText(text []byte) error {
	i := slices.Index(typeNames, string(text))
	if i < 1 {
		return fmt.Errorf("unknown type %q, want one of %s", text, strings.Join(typeNames[1:], ", "))
	}
	*t = Type(i)
	return nil
}

// Field is a named column of a type.
type Field struct {
	Name string `json:"name"`
	Type Type   `json:"type"`
}

// Schema is an ordered list of columns with distinct names.
type Schema []Field

// Lookup returns the field of that name.
func (s Schema) Lookup(name string) (Field, bool) {
	i := slices.IndexFunc(s, func(f Field) bool { return f.Name == name })
	if i < 0 {
		return Field{}, false
	}
	return s[i], true
}

// String renders s for messages: "origin String, delay Int64".
func (s Schema) String() string {
	columns := make([]string, len(s))
	for i, f := range s {
		columns[i] = f.Name + " " + f.Type.String()
	}
	return strings.Join(columns, ", ")
}

// Names returns the columns' names in order.
func (s Schema) Names() []string {
	names := make([]string, len(s))
	for i, f := range s {
		names[i] = f.Name
	}
	return names
}
