package delta

import (
	"context"
	"fmt"
	"time"

	"github.com/tilery/tilery/pkg/bucket"
)

// put makes data the version of a number that was free in a snapshot asked for at
// the given time. Data holds the commit id. After bucket.ErrExists the number is
// lost, and the version is to be planned again.
//
// A writer may stand still between its snapshot and its put, for so long that
// others took the number, wrote a checkpoint after it and cleaned the log. Then its
// put fills the hole, below a checkpoint that knows nothing of it, and nobody will
// ever read it. So a late put counts only if the version is found from the newest
// checkpoint. CleanLog takes no younger versions, so an early one cannot be in a hole.
func (h *history) put(ctx context.Context, asked time.Time, id string, number int64, data []byte) error {
	if err := bucket.Claim(ctx, h.bucket, versionKey(h.path, number), data); err != nil {
		return err
	}
	if h.opts.Now().Sub(asked) < h.opts.trustAge() {
		return nil
	}
	s, err := h.advance(ctx, true)
	if err != nil {
		return fmt.Errorf("look for version %d, which was put late: %w", number, err)
	}
	if made, ok := s.committedBy(id); !ok || made != number {
		return fmt.Errorf("version %d lies before the newest checkpoint and is not part of it: %w", number, bucket.ErrExists)
	}
	return nil
}
