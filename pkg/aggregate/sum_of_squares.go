package aggregate

import "github.com/tilery/tilery/pkg/feature"

// newSumsOfSquares returns empty sums of squares; nil for a type that has none.
func newSumsOfSquares(feature.Partial) partial { return nil }
