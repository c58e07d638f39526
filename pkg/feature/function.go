package feature

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// Function is an aggregation function in its canonical form: Tecton's name, and
// in parentheses the parameters that it has, those that equal their default left
// out. For instance "sum", "last_distinct(3)", "approx_percentile(0.5)" and
// "approx_count_distinct(precision=12)".
type Function string

// The functions without parameters. Nulls are left out of each; over inputs that
// are all null, count is 0 and the others are null.
const (
	Count      Function = "count"       // any type -> Int64
	Sum        Function = "sum"         // numbers -> Int64 or Float64; past 64 bits null
	Mean       Function = "mean"        // numbers -> Float64
	Min        Function = "min"         // numbers, String -> same type; NaN is greater than +Inf
	Max        Function = "max"         // as Min
	VarPop     Function = "var_pop"     // numbers -> Float64
	VarSamp    Function = "var_samp"    // numbers -> Float64; of one value null
	StddevPop  Function = "stddev_pop"  // numbers -> Float64
	StddevSamp Function = "stddev_samp" // numbers -> Float64; of one value null
	Last       Function = "last"        // any type but Timestamp -> same type

	// ApproxCountDistinct has the default precision.
	ApproxCountDistinct Function = "approx_count_distinct" // String, Int32, Int64 -> Int64
)

// The names of functions that have parameters only.
const (
	first         = "first"
	lastDistinct  = "last_distinct"
	firstDistinct = "first_distinct"
	percentile    = "approx_percentile"
)

// Bounds and defaults of the parameters.
const (
	MaxN = 1000 // values that first(n), last(n) and their kin keep

	DefaultCountPrecision = 8
	minCountPrecision     = 4
	maxCountPrecision     = 16

	DefaultPercentilePrecision = 100
	minPercentilePrecision     = 20
	maxPercentilePrecision     = 500
)

// functionForms are what messages name, in this order.
var functionForms = []string{
	"count", "sum", "mean", "min", "max", "var_pop", "var_samp", "stddev_pop", "stddev_samp",
	"last", "last(n)", "first(n)", "last_distinct(n)", "first_distinct(n)",
	"approx_count_distinct", "approx_percentile(p)",
}

// aliases are names of Tecton's for others.
var aliases = map[string]string{"variance": string(VarSamp), "stddev": string(StddevSamp)}

// FirstN returns first(n).
func FirstN(n int) Function { return listFunction(first, n) }

// LastN returns last(n).
func LastN(n int) Function { return listFunction(string(Last), n) }

// FirstDistinct returns first_distinct(n).
func FirstDistinct(n int) Function { return listFunction(firstDistinct, n) }

// LastDistinct returns last_distinct(n).
func LastDistinct(n int) Function { return listFunction(lastDistinct, n) }

func listFunction(name string, n int) Function { return call{name: name, n: n}.function() }

// ApproxCountDistinctOf returns approx_count_distinct with a precision, from 4 to 16.
func ApproxCountDistinctOf(precision int) Function {
	return call{name: string(ApproxCountDistinct), precision: precision}.function()
}

// ApproxPercentile returns approx_percentile of p, from 0 to 1, with a precision
// from 20 to 500; 0 is the default.
func ApproxPercentile(p float64, precision int) Function {
	if precision == 0 {
		precision = DefaultPercentilePrecision
	}
	return call{name: percentile, p: p, precision: precision}.function()
}

// Percentile returns the parameter of approx_percentile; 0 for other functions.
func (f Function) Percentile() float64 {
	c, _ := parseFunction(string(f))
	return c.p
}

// call is a function and its parameters.
type call struct {
	name      string
	n         int     // of lists; 0: none
	p         float64 // of approx_percentile
	precision int     // of sketches, its default filled in
}

// function returns the canonical form.
func (c call) function() Function {
	var parameters []string
	switch {
	case c.n > 0:
		parameters = append(parameters, strconv.Itoa(c.n))
	case c.name == percentile:
		parameters = append(parameters, strconv.FormatFloat(c.p, 'f', -1, 64))
	}
	if c.precision != c.defaultPrecision() {
		parameters = append(parameters, fmt.Sprintf("precision=%d", c.precision))
	}
	if len(parameters) == 0 {
		return Function(c.name)
	}
	return Function(c.name + "(" + strings.Join(parameters, ", ") + ")")
}

func (c call) defaultPrecision() int {
	switch c.name {
	case string(ApproxCountDistinct):
		return DefaultCountPrecision
	case percentile:
		return DefaultPercentilePrecision
	}
	return 0
}

// featureName is how default feature names contain the function.
func (c call) featureName() string {
	switch {
	case c.n > 0:
		return fmt.Sprintf("%s_%d", c.name, c.n)
	case c.name == percentile:
		return c.name + "_p" + strings.ReplaceAll(strconv.FormatFloat(c.p, 'f', -1, 64), ".", "_")
	}
	return c.name
}

var functionForm = regexp.MustCompile(`^([a-z_]+)(?:\(([^()]*)\))?$`)

// UnmarshalText implements encoding.TextUnmarshaler and makes the form canonical.
// Parameters may be named, as in "approx_percentile(percentile=0.5, precision=200)".
// The error lists what would be accepted.
func (f *Function) UnmarshalText(text []byte) error {
	c, err := parseFunction(string(text))
	if err != nil {
		return err
	}
	*f = c.function()
	return nil
}

func parseFunction(text string) (call, error) {
	parts := functionForm.FindStringSubmatch(strings.TrimSpace(text))
	if parts == nil {
		return call{}, unknownFunction(text)
	}
	c := call{name: parts[1]}
	if name, ok := aliases[c.name]; ok {
		c.name = name
	}
	c.precision = c.defaultPrecision()
	parameters := c.parameters()
	if parameters == nil && !isPlain(c.name) {
		return call{}, unknownFunction(text)
	}
	if err := c.setAll(parameters, parts[2]); err != nil {
		return call{}, fmt.Errorf("aggregation function %q: %w", text, err)
	}
	if len(parts[2]) == 0 && !isPlain(c.name) {
		return call{}, fmt.Errorf("aggregation function %q needs its parameter, for instance %s", text, c.example())
	}
	return c, nil
}

func unknownFunction(text string) error {
	return fmt.Errorf("unknown aggregation function %q, want one of %s", text, functionNames())
}

func functionNames() string { return strings.Join(functionForms, ", ") }

// isPlain reports whether name is a function without its parameters.
func isPlain(name string) bool { return slices.Contains(functionForms, name) }

// parameters lists those that the function has, in their order.
func (c call) parameters() []string {
	switch c.name {
	case first, string(Last), firstDistinct, lastDistinct:
		return []string{"n"}
	case string(ApproxCountDistinct):
		return []string{"precision"}
	case percentile:
		return []string{"percentile", "precision"}
	}
	return nil
}

func (c call) example() Function {
	if c.name == percentile {
		return ApproxPercentile(0.5, 0)
	}
	return listFunction(c.name, 3)
}

// setAll reads "3", "0.5, precision=200" and the like.
func (c *call) setAll(parameters []string, text string) error {
	if strings.TrimSpace(text) == "" {
		return nil
	}
	given := map[string]bool{}
	for i, part := range strings.Split(text, ",") {
		name, value, named := strings.Cut(part, "=")
		if !named {
			if i >= len(parameters) {
				return fmt.Errorf("has %d parameters, at most %d are allowed", i+1, len(parameters))
			}
			name, value = parameters[i], part
		}
		name = strings.TrimSpace(name)
		switch {
		case !slices.Contains(parameters, name):
			return fmt.Errorf("has no parameter %q, want one of %q", name, parameters)
		case given[name]:
			return fmt.Errorf("has parameter %q twice", name)
		}
		given[name] = true
		if err := c.set(name, strings.TrimSpace(value)); err != nil {
			return err
		}
	}
	if c.name == percentile && !given["percentile"] {
		return fmt.Errorf("needs its percentile, for instance %s", c.example())
	}
	return nil
}

func (c *call) set(name, value string) error {
	switch name {
	case "n":
		return setInt(&c.n, name, value, 1, MaxN)
	case "precision":
		if c.name == percentile {
			return setInt(&c.precision, name, value, minPercentilePrecision, maxPercentilePrecision)
		}
		return setInt(&c.precision, name, value, minCountPrecision, maxCountPrecision)
	}
	p, err := strconv.ParseFloat(value, 64)
	if err != nil || !(p >= 0 && p <= 1) {
		return fmt.Errorf("percentile is %q, want a number from 0 to 1", value)
	}
	c.p = p + 0 // -0
	return nil
}

func setInt(to *int, name, value string, least, most int) error {
	n, err := strconv.Atoi(value)
	if err != nil || n < least || n > most {
		return fmt.Errorf("%s is %q, want a whole number from %d to %d", name, value, least, most)
	}
	*to = n
	return nil
}

// Output returns the type of f over values of type input.
func (f Function) Output(input Type) (Type, error) {
	c, err := parseFunction(string(f))
	if err != nil {
		return InvalidType, err
	}
	output, takes := c.output(input)
	if output == InvalidType {
		return InvalidType, fmt.Errorf("%s takes %s, not %s", f, takes, input)
	}
	return output, nil
}

// output returns InvalidType, and what would be accepted, for an input that is not.
func (c call) output(input Type) (output Type, takes string) {
	const numbers = "Int64, Float64, Int32 or Float32"
	scalar := input.valid() && !input.IsArray() && input != Timestamp
	switch c.name {
	case string(Count):
		return Int64, "any type"
	case string(Sum):
		return sumType(input), numbers
	case string(Mean), string(VarPop), string(VarSamp), string(StddevPop), string(StddevSamp), percentile:
		if input.Numeric() {
			return Float64, ""
		}
		return InvalidType, numbers
	case string(Min), string(Max):
		if input.Numeric() || input == String {
			return input, ""
		}
		return InvalidType, numbers + ", or String"
	case firstDistinct, lastDistinct:
		if input == String || input == Int64 {
			return ArrayOf(input), ""
		}
		return InvalidType, "String or Int64"
	case string(ApproxCountDistinct):
		if input == String || input == Int64 || input == Int32 {
			return Int64, ""
		}
		return InvalidType, "String, Int64 or Int32"
	}
	// first(n), last(n) and last.
	if !scalar && (!input.IsArray() || input.Element().IsArray() || input.Element() == Timestamp) {
		return InvalidType, numbers + ", Bool, String, or an array of one"
	}
	if c.n > 0 {
		return ArrayOf(input), ""
	}
	return input, ""
}

func sumType(input Type) Type {
	switch input {
	case Int64, Int32:
		return Int64
	case Float64, Float32:
		return Float64
	}
	return InvalidType
}
