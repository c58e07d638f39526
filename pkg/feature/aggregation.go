package feature

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// Function is an aggregation function, by Tecton's name.
type Function string

// The functions. Nulls are left out of each; over inputs that are all null,
// count is 0 and the others are null.
const (
	Count Function = "count" // any type -> Int64
	Sum   Function = "sum"   // numeric -> same type; an Int64 sum past 64 bits is null
	Mean  Function = "mean"  // numeric -> Float64
	Min   Function = "min"   // Int64, Float64, String -> same type; NaN is greater than +Inf
	Max   Function = "max"   // as Min
)

// Functions lists every function in the order that messages name them.
var Functions = []Function{Count, Sum, Mean, Min, Max}

// UnmarshalText implements encoding.TextUnmarshaler; the error lists what would be accepted.
func (f *Function) UnmarshalText(text []byte) error {
	if !slices.Contains(Functions, Function(text)) {
		return fmt.Errorf("unknown aggregation function %q, want one of %s", text, functionNames())
	}
	*f = Function(text)
	return nil
}

func functionNames() string {
	names := make([]string, len(Functions))
	for i, f := range Functions {
		names[i] = string(f)
	}
	return strings.Join(names, ", ")
}

// Output returns the type of f over values of type input.
func (f Function) Output(input Type) (Type, error) {
	switch f {
	case Count:
		return Int64, nil
	case Sum, Mean:
		if !input.Numeric() {
			return InvalidType, fmt.Errorf("%s takes Int64 or Float64, not %s", f, input)
		}
		if f == Mean {
			return Float64, nil
		}
		return input, nil
	case Min, Max:
		if !input.Numeric() && input != String {
			return InvalidType, fmt.Errorf("%s takes Int64, Float64 or String, not %s", f, input)
		}
		return input, nil
	}
	return InvalidType, fmt.Errorf("unknown aggregation function %q", f)
}

// Aggregation is one feature: a function of a column over a time window that
// ends at the leading edge. TimeWindow is a multiple of the aggregation interval.
type Aggregation struct {
	Column     string   `json:"column"`
	Function   Function `json:"function"`
	TimeWindow Duration `json:"time_window"`
	// Name of the feature; empty means Tecton's default,
	// {column}_{function}_{window}_{aggregation interval}.
	Name string `json:"name,omitempty"`
}

// FeatureName returns the name that the feature is served under.
func (a Aggregation) FeatureName(interval Duration) string {
	if a.Name != "" {
		return a.Name
	}
	return fmt.Sprintf("%s_%s_%s_%s", a.Column, a.Function, a.TimeWindow, interval)
}

// types returns the types of a's column in schema and of the feature.
func (a Aggregation) types(schema Schema) (input, output Type, err error) {
	field, ok := schema.Lookup(a.Column)
	if !ok {
		return InvalidType, InvalidType, fmt.Errorf("aggregation of %q: no such column, want one of %s", a.Column, strings.Join(schema.Names(), ", "))
	}
	output, err = a.Function.Output(field.Type)
	if err != nil {
		return InvalidType, InvalidType, fmt.Errorf("aggregation of %q: %w", a.Column, err)
	}
	return field.Type, output, nil
}

// TileStart is the name of the time column of tile tables.
const TileStart = "tile_start"

// PartialKind is what one partial state of a tile holds about its column.
type PartialKind string

// The kinds of partial states; several functions share one.
const (
	PartialCount PartialKind = "count" // number of non-null values
	PartialSum   PartialKind = "sum"   // their exact sum
	PartialMin   PartialKind = "min"   // their least
	PartialMax   PartialKind = "max"   // their greatest
)

// Partial is one partial state that a view's tiles store.
type Partial struct {
	Kind   PartialKind `json:"kind"`
	Column string      `json:"column"`
	Type   Type        `json:"type"`
}

// Columns returns the names of the tile columns that hold p.
func (p Partial) Columns() []string {
	name := string(p.Kind) + "_" + p.Column
	if p.Kind == PartialSum {
		return []string{name, name + "_rest"} // what is missing to the exact sum
	}
	return []string{name}
}

// partials lists what f is finished from.
func (f Function) partials() []PartialKind {
	switch f {
	case Mean:
		return []PartialKind{PartialCount, PartialSum}
	default:
		return []PartialKind{PartialKind(f)}
	}
}

// Partials returns the partial states that serve every aggregation, each once,
// ordered by column and kind. Columns are looked up in schema.
func Partials(aggregations []Aggregation, schema Schema) ([]Partial, error) {
	var out []Partial
	for _, a := range aggregations {
		input, _, err := a.types(schema)
		if err != nil {
			return nil, err
		}
		for _, kind := range a.Function.partials() {
			out = append(out, Partial{kind, a.Column, input})
		}
	}
	slices.SortFunc(out, func(a, b Partial) int {
		return cmp.Or(cmp.Compare(a.Column, b.Column), cmp.Compare(a.Kind, b.Kind))
	})
	return slices.Compact(out), nil
}
