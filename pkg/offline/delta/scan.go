package delta

import (
	"context"
	"errors"

	"github.com/tilery/tilery/pkg/offline"
)

// Scan implements offline.Table.
func (t *table) Scan(ctx context.Context, f offline.File, s offline.Selection) (offline.Scanner, error) {
	return nil, errors.ErrUnsupported
}
