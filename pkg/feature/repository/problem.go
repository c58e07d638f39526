package repository

import (
	"fmt"
	"strings"

	"github.com/tilery/tilery/pkg/feature"
)

// maxProblems is how many problems are looked for before reading ends, and how
// many an Error shows.
const maxProblems = 100

// Problem is a problem and its place.
type Problem struct {
	File string // empty: the repository as a whole
	Line int    // from 1
	feature.Problem
}

// String renders file:line: kind name: field: text.
func (p Problem) String() string {
	if p.File == "" {
		return p.Problem.String()
	}
	return fmt.Sprintf("%s:%d: %s", p.File, p.Line, p.Problem)
}

// Error is a repository that cannot be used, with everything that is wrong with it.
type Error struct{ Problems []Problem }

// continuation sets the further lines of a problem, as an SQL engine's are, apart from the next.
var continuation = strings.NewReplacer("\n\n", "\n    ", "\n", "\n    ")

// Error renders one problem a line, of at most 100 problems; further lines of
// one are indented.
func (e *Error) Error() string {
	shown := e.Problems[:min(len(e.Problems), maxProblems)]
	var lines []string
	for _, p := range shown {
		lines = append(lines, continuation.Replace(p.String()))
	}
	if more := len(e.Problems) - len(shown); more > 0 {
		lines = append(lines, fmt.Sprintf("and %d more problems", more))
	}
	return strings.Join(lines, "\n")
}
