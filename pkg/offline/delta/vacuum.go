package delta

import (
	"context"
	"errors"

	"github.com/tilery/tilery/pkg/offline"
)

// Vacuum implements offline.Maintainer.
func (t *table) Vacuum(ctx context.Context, r offline.VacuumRequest) (offline.VacuumResult, error) {
	return offline.VacuumResult{}, errors.ErrUnsupported
}
