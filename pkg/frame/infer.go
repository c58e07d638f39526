package frame

import (
	"encoding/json"
	"strconv"
	"strings"

	"github.com/tilery/tilery/pkg/feature"
)

// kinds is a set of types that texts may be read as.
type kinds uint8

const (
	isInt kinds = 1 << iota
	isFloat
	isBool
	isTime
	isText
	notANumber // NaN or an infinity: a float if there are numbers too
	isArray
)

// numberForm tells what a text is written as: an integer as JSON has it, or a float,
// which may lack digits before or after its point.
func numberForm(text string) (isNumber, isInteger bool) {
	rest := strings.TrimPrefix(text, "-")
	whole := digits(rest)
	if whole > 1 && rest[0] == '0' {
		return false, false
	}
	rest = rest[whole:]
	if rest == "" {
		return whole > 0, whole > 0
	}
	fraction := 0
	if rest[0] == '.' {
		fraction = digits(rest[1:])
		rest = rest[1+fraction:]
	}
	if whole+fraction == 0 {
		return false, false
	}
	if rest != "" && (rest[0] == 'e' || rest[0] == 'E') {
		if rest = rest[1:]; rest != "" && (rest[0] == '+' || rest[0] == '-') {
			rest = rest[1:]
		}
		return rest != "" && digits(rest) == len(rest), false
	}
	return rest == "", false
}

// digits counts those that text begins with.
func digits(text string) (n int) {
	for n < len(text) && text[n] >= '0' && text[n] <= '9' {
		n++
	}
	return n
}

// numberKinds returns what a text is as a number. An integer with leading zeros or a
// plus is none, nor one that no type holds: an inferred type never changes what is written.
func numberKinds(text string) kinds {
	switch text {
	case "NaN", "nan", "inf", "-inf", "Infinity", "-Infinity":
		return notANumber
	}
	isNumber, isInteger := numberForm(text)
	if !isNumber {
		return 0
	}
	if n, err := strconv.ParseInt(text, 10, 64); isInteger && err == nil && text != "-0" {
		if f := float64(n); f < 1<<63 && int64(f) == n {
			return isInt | isFloat
		}
		return isInt
	}
	f, err := strconv.ParseFloat(text, 64)
	if err != nil || isInteger && strconv.FormatFloat(f, 'f', -1, 64) != text {
		return 0
	}
	return isFloat
}

func timeKinds(text string) kinds {
	if len(text) < len("2006-01-02") || text[4] != '-' {
		return 0
	}
	if _, err := parseTime(text); err != nil {
		return 0
	}
	return isTime
}

// csvKinds returns which of the kinds that a column may still have a text is.
func csvKinds(text string, could kinds) kinds {
	trimmed := strings.TrimSpace(text)
	k := isText
	if could&(isInt|isFloat) != 0 {
		k |= numberKinds(trimmed)
	}
	if could&isTime != 0 {
		k |= timeKinds(trimmed)
	}
	if could&isBool != 0 && (strings.EqualFold(trimmed, "true") || strings.EqualFold(trimmed, "false")) {
		k |= isBool
	}
	return k
}

// jsonKinds does as csvKinds with a decoded JSON value.
func jsonKinds(v any, could kinds) kinds {
	switch v := v.(type) {
	case json.Number:
		return numberKinds(string(v)) &^ notANumber
	case bool:
		return isBool
	case string:
		k := isText
		if could&isFloat != 0 {
			k |= numberKinds(v) & notANumber
		}
		if could&isTime != 0 {
			k |= timeKinds(v)
		}
		return k
	case []any:
		return isArray
	}
	return 0
}

// inference is what a column may be after some of its values.
type inference struct {
	seen    bool // a value that is not null
	could   kinds
	number  bool // a float is no guess from NaN alone
	element *inference
}

// open returns the kinds that further values may have.
func (i *inference) open() kinds {
	if !i.seen {
		return ^kinds(0)
	}
	return i.could
}

// add takes a value into account. It is false if no type has it and those before.
func (i *inference) add(k kinds) bool {
	if k&notANumber != 0 {
		k |= isFloat
	} else if k&isFloat != 0 {
		i.number = true
	}
	k &^= notANumber
	if !i.seen {
		i.seen, i.could = true, k
	}
	i.could &= k
	return i.could != 0
}

// addJSON takes a decoded JSON value into account, null too.
func (i *inference) addJSON(v any) bool {
	if v == nil {
		return true
	}
	if !i.add(jsonKinds(v, i.open())) {
		return false
	}
	if elements, ok := v.([]any); ok {
		if i.element == nil {
			i.element = &inference{}
		}
		for _, e := range elements {
			if !i.element.addJSON(e) {
				return false
			}
		}
	}
	return true
}

// result returns the column's type; InvalidType for arrays that nest too deep. A
// column of nulls is a String.
func (i *inference) result() feature.Type {
	switch {
	case i == nil || !i.seen:
		return feature.String
	case i.could&isArray != 0:
		return feature.ArrayOf(i.element.result())
	case i.could&isInt != 0:
		return feature.Int64
	case i.could&isFloat != 0 && (i.number || i.could&isText == 0):
		return feature.Float64
	case i.could&isBool != 0:
		return feature.Bool
	case i.could&isTime != 0:
		return feature.Timestamp
	}
	return feature.String
}
