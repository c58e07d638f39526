package materialize

import (
	"context"
	"errors"

	"github.com/tilery/tilery/pkg/online"
)

// errSuperseded ends a step after another applier's status came first.
var errSuperseded = errors.New("the status has changed")

// guarded is the online store that a step writes: only as long as the status is the one
// that the step began with. A step that goes on after that does nothing for anybody, and
// harm where cells were removed for good since: no newer one would be in the way of its
// own. So when a status changes, no more is under way than a write.
type guarded struct {
	online.Store
	name    string
	version uint64
}

// Write implements online.Store.
func (g guarded) Write(ctx context.Context, writes []online.Write) ([]bool, error) {
	_, version, _, err := online.ReadStatus(ctx, g.Store, g.name)
	if err != nil {
		return nil, err
	}
	if version != g.version {
		return nil, errSuperseded
	}
	return g.Store.Write(ctx, writes)
}
