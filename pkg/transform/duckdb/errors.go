package duckdb

import (
	"errors"
	"regexp"
	"strings"

	"github.com/tilery/tilery/pkg/transform"
)

// engineError is a message of DuckDB. It unwraps to the contract's class of it, if any.
type engineError string

// Error leaves out DuckDB's advice about settings, which are not the author's to make.
func (e engineError) Error() string {
	message := advice.Split(string(e), 2)[0]
	// What it tells about a CSV file goes with the advice, its name too.
	if file := csvFile.FindStringSubmatch(string(e)); file != nil && len(message) < len(e) {
		message = strings.TrimSpace(message) + "\nin file " + file[1]
	}
	return strings.TrimSpace(message)
}

var (
	advice  = regexp.MustCompile(`\n\s*(?:Possible (?:solutions|fixes|Solution):|Try setting 'auto_detect')`)
	csvFile = regexp.MustCompile(`\n  file = (.*)\n`)
)

// sqlErrors are the classes of DuckDB's errors that another attempt would meet
// again. The C API gives a class for executed statements only, but each message
// starts with it.
var sqlErrors = map[string]bool{
	"Binder":                true,
	"Catalog":               true,
	"Constraint":            true,
	"Conversion":            true,
	"Decimal":               true,
	"Divide by Zero":        true,
	"Expression":            true,
	"Invalid Input":         true,
	"Invalid type":          true,
	"Mismatch Type":         true,
	"Missing Extension":     true,
	"Not implemented":       true,
	"Out of Range":          true,
	"Parameter Not Allowed": true,
	"Parser":                true,
	"Permission":            true,
	"Syntax":                true,
}

// Unwrap returns transform.ErrSQL, transform.ErrOutOfMemory, or nil for what may pass.
func (e engineError) Unwrap() error {
	class, _, _ := strings.Cut(e.Error(), " Error:")
	switch {
	case sqlErrors[class]:
		return transform.ErrSQL
	case class == "Out of Memory":
		return transform.ErrOutOfMemory
	}
	return nil
}

// wasInterrupted tells whether err only says that the statement was stopped, not why.
func wasInterrupted(err error) bool {
	message := engineError("")
	return errors.As(err, &message) && strings.HasPrefix(message.Error(), "INTERRUPT Error:")
}
