package aggregate

import "github.com/tilery/tilery/pkg/feature"

// newValueLists returns empty lists of values; nil for a type that has none.
func newValueLists(feature.Partial) partial { return nil }
