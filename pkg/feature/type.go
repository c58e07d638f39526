package feature

import (
	"fmt"
	"slices"
	"strings"
)

// Type is the type of a column or value, named as in Tecton's schemas. Types
// compare with ==.
//
// The low half is a scalar, the high half how many arrays are around it.
type Type uint8

// The scalar types. Timestamp is microseconds since the Unix epoch, UTC.
const (
	InvalidType Type = iota
	Bool
	Int64
	Float64
	String
	Timestamp
	Int32
	Float32
)

const (
	arrayShift  = 4
	scalarMask  = 1<<arrayShift - 1
	maxArrays   = 3 // a series of lists of arrays
	arrayPrefix = "Array["
)

var typeNames = []string{"invalid", "Bool", "Int64", "Float64", "String", "Timestamp", "Int32", "Float32"}

// ArrayOf returns the type of arrays whose elements have type t; elements may be
// null. Arrays nest up to three deep, InvalidType is what lies beyond.
func ArrayOf(t Type) Type {
	if !t.valid() || t>>arrayShift == maxArrays {
		return InvalidType
	}
	return t + 1<<arrayShift
}

// IsArray reports whether t is an array.
func (t Type) IsArray() bool { return t>>arrayShift > 0 }

// Element returns the type of an array's elements; InvalidType if t is no array.
func (t Type) Element() Type {
	if !t.IsArray() {
		return InvalidType
	}
	return t - 1<<arrayShift
}

// Scalar returns the type inside all arrays of t; t itself if it is no array.
func (t Type) Scalar() Type { return t & scalarMask }

// String returns the name that definitions use, for instance "Int64" or "Array[String]".
func (t Type) String() string {
	if t.IsArray() {
		return arrayPrefix + t.Element().String() + "]"
	}
	if int(t) < len(typeNames) {
		return typeNames[t]
	}
	return fmt.Sprintf("Type(%d)", uint8(t))
}

// Numeric reports whether values of t are numbers.
func (t Type) Numeric() bool { return t == Int64 || t == Float64 || t == Int32 || t == Float32 }

// valid reports whether t is one of the types.
func (t Type) valid() bool {
	scalar := t & scalarMask
	return scalar > InvalidType && int(scalar) < len(typeNames) && t>>arrayShift <= maxArrays
}

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
	scalar, arrays := string(text), 0
	for strings.HasPrefix(scalar, arrayPrefix) && strings.HasSuffix(scalar, "]") && arrays < maxArrays {
		scalar, arrays = scalar[len(arrayPrefix):len(scalar)-1], arrays+1
	}
	i := slices.Index(typeNames, scalar)
	if i < 1 {
		return fmt.Errorf("unknown type %q, want one of %s, or Array[...] of one", text, strings.Join(typeNames[1:], ", "))
	}
	*t = Type(i + arrays<<arrayShift)
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
