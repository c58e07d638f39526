package retrieve

import (
	"context"
	"errors"
	"fmt"

	"github.com/tilery/tilery/pkg/materialize"
	"github.com/tilery/tilery/pkg/offline"
	"github.com/tilery/tilery/pkg/window"
)

// Pin says which state of which store a part was read at.
type Pin struct {
	View        string `json:"view"`
	Fingerprint string `json:"fingerprint"` // of the store
	Version     int64  `json:"version"`     // of its table
}

// Pins returns what parts are read at, by part.
func Pins(parts []Part) []Pin {
	pins := make([]Pin, len(parts))
	for i, p := range parts {
		pins[i] = Pin{p.Target.View.Name, p.Target.Fingerprint, p.Snapshot.Version}
	}
	return pins
}

// Generation is that of the definitions, the same of all parts; 0 if there are none.
func Generation(parts []Part) int64 {
	if len(parts) == 0 {
		return 0
	}
	return parts[0].Target.Generation
}

// ResolveAt returns the parts that Resolve returned when it found these pins in that
// generation. offline.ErrHistoryGone: a store was removed, or its log does not tell
// that version any more.
func ResolveAt(ctx context.Context, e *materialize.Engine, names Names, generation int64, pins []Pin, now window.Time) ([]Part, error) {
	g, err := e.Registry.Get(ctx, names.Workspace, generation)
	if err != nil {
		return nil, err
	}
	parts, err := resolve(ctx, e, g, names, now)
	if errors.Is(err, ErrNoData) {
		return nil, fmt.Errorf("%w: the store was removed: %w", offline.ErrHistoryGone, err)
	}
	if err != nil {
		return nil, err
	}
	if len(parts) != len(pins) {
		return nil, fmt.Errorf("generation %d reads %d stores, %d were pinned", generation, len(parts), len(pins))
	}
	for i, pin := range pins {
		p := &parts[i]
		if p.Target.View.Name != pin.View || p.Target.Fingerprint != pin.Fingerprint {
			return nil, fmt.Errorf("generation %d reads store %s, not %s/%s, which was pinned", generation, p.Target.Store(), pin.View, pin.Fingerprint)
		}
		if p.Snapshot, err = p.Table.SnapshotAt(ctx, pin.Version); err != nil {
			return nil, err
		}
	}
	return parts, nil
}
