package delta

import (
	"context"
	"errors"
)

// Checkpoint implements offline.Maintainer.
func (t *table) Checkpoint(ctx context.Context, every int64) (int64, error) {
	return 0, errors.ErrUnsupported
}
