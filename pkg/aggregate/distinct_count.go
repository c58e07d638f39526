package aggregate

import "github.com/tilery/tilery/pkg/feature"

// newDistinctCounts returns empty sets of hashes; nil for a type that has none.
func newDistinctCounts(feature.Partial) partial { return nil }
