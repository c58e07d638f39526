package delta

import (
	"context"

	"github.com/tilery/tilery/pkg/keyset"
	"github.com/tilery/tilery/pkg/offline"
)

// NewAppender implements offline.Table.
func (t *table) NewAppender(ctx context.Context, attempt string) (offline.Writer, error) {
	panic("todo")
}

// MayHold implements offline.Table.
func (t *table) MayHold(s offline.Snapshot, keys *keyset.Set, fields int) []offline.File {
	panic("todo")
}

// Rewrite implements offline.Table.
func (t *table) Rewrite(ctx context.Context, f offline.File, keys *keyset.Set, fields int, onProgress func(int64)) (offline.Rewrite, error) {
	panic("todo")
}

// Erase implements offline.Table.
func (t *table) Erase(ctx context.Context, e offline.Erasure) (offline.Erased, error) { panic("todo") }
