package aggregate

import "github.com/tilery/tilery/pkg/feature"

// newSumsOfSquares returns empty sums of squares; nil for a type that has none.
func newSumsOfSquares(p feature.Partial) partial {
	switch p.Type {
	case feature.Int64:
		return &int64Squares{column: p.Column}
	case feature.Float64:
		return &float64Squares{column: p.Column}
	}
	return nil
}
