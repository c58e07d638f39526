package feature

import (
	"fmt"
	"slices"

	"github.com/tilery/tilery/pkg/window"
)

// Bounds of the tests of a view.
const (
	maxViewTests = 100
	maxTestRows  = 1_000 // in all of a test's lists together
)

// ViewTest says what a view makes of a few rows. plan runs it and refuses a view
// whose tests fail, and tilery test runs it without a server. Tests are not applied:
// the registry does not keep them.
type ViewTest struct {
	Name string `json:"name"`
	// Mocks are the rows of the sources, by their names; a source that is left out is
	// empty, and a column that is left out null.
	Mocks map[string][]Row `json:"mocks"`
	// StartTime and EndTime bound what is run, in whole windows; by default the
	// windows that the mocks' timestamps lie in.
	StartTime window.Time `json:"start_time,omitzero"`
	EndTime   window.Time `json:"end_time,omitzero"`
	// ExpectedRows are what the SQL returns, in any order; nil is not checked. Columns
	// that no row names are not compared, and one that a row leaves out is null.
	ExpectedRows []Row `json:"expected_rows,omitempty"`
	// ExpectedFeatures are what is served after the run; only the features that are
	// named are compared.
	ExpectedFeatures []ExpectedFeatures `json:"expected_features,omitempty"`
}

// Row is the columns of a row by their names.
type Row map[string]Literal

// ExpectedFeatures are the features of an entity at a time.
type ExpectedFeatures struct {
	At       window.Time `json:"at"`
	JoinKeys Row         `json:"join_keys"`
	Features Row         `json:"features"`
}

// viewTests checks the form of a view's tests; names and types of columns are
// checked when they run.
func (c *checker) viewTests(v BatchFeatureView) {
	if len(v.Tests) > maxViewTests {
		c.add("tests", "%d tests, at most %d are allowed", len(v.Tests), maxViewTests)
	}
	var names []string
	for i, test := range v.Tests {
		at := fmt.Sprintf("tests[%d]", i)
		switch {
		case test.Name == "":
			c.add(at+".name", "is required")
		case slices.Contains(names, test.Name):
			c.add(at+".name", "%q is the name of another test of the view", test.Name)
		}
		names = append(names, test.Name)
		rows := len(test.ExpectedRows) + len(test.ExpectedFeatures)
		for source, mocked := range test.Mocks {
			rows += len(mocked)
			if !slices.ContainsFunc(v.Sources, func(s ViewSource) bool { return s.Source == source }) {
				c.add(at+".mocks."+source, "the view has no source %q", source)
			}
		}
		if rows > maxTestRows {
			c.add(at, "has %d rows, at most %d are allowed", rows, maxTestRows)
		}
		if test.ExpectedRows == nil && len(test.ExpectedFeatures) == 0 {
			c.add(at, "expects nothing: give expected_rows or expected_features")
		}
		for j, e := range test.ExpectedFeatures {
			if e.At == 0 {
				c.add(fmt.Sprintf("%s.expected_features[%d].at", at, j), "is required: the time at which the features are asked for")
			}
		}
	}
}
