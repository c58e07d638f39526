package delta

import (
	"context"
	"errors"
	"time"

	"github.com/tilery/tilery/pkg/offline"
)

// CleanLog implements offline.Maintainer.
func (t *table) CleanLog(ctx context.Context, keep time.Duration) (offline.CleanResult, error) {
	return offline.CleanResult{}, errors.ErrUnsupported
}
