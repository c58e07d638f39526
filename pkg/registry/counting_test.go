package registry_test

import (
	"context"
	"iter"

	"github.com/tilery/tilery/pkg/bucket"
)

// counting counts the objects that are listed.
type counting struct {
	bucket.Bucket
	listed *int
}

// List implements bucket.Bucket.
func (c counting) List(ctx context.Context, prefix, after string) iter.Seq2[bucket.Info, error] {
	return func(yield func(bucket.Info, error) bool) {
		for info, err := range c.Bucket.List(ctx, prefix, after) {
			*c.listed++
			if !yield(info, err) {
				return
			}
		}
	}
}
