package delta

import (
	"context"
	"errors"

	"github.com/tilery/tilery/pkg/offline"
)

// Compact implements offline.Maintainer.
func (t *table) Compact(ctx context.Context, r offline.CompactRequest) (offline.CompactResult, error) {
	return offline.CompactResult{}, errors.ErrUnsupported
}
