package aggregate

import "github.com/tilery/tilery/pkg/feature"

// newDistributions returns empty distributions; nil for a type that has none.
func newDistributions(feature.Partial) partial { return nil }
