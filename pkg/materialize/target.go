package materialize

import (
	"fmt"
	"time"

	"github.com/apache/arrow/go/v15/arrow"

	"github.com/tilery/tilery/pkg/aggregate"
	"github.com/tilery/tilery/pkg/feature"
	"github.com/tilery/tilery/pkg/offline"
	"github.com/tilery/tilery/pkg/record"
	"github.com/tilery/tilery/pkg/registry"
	"github.com/tilery/tilery/pkg/window"
)

// Target is a view as of one generation, with what follows from it. It is immutable.
type Target struct {
	Workspace   string
	Generation  int64
	View        feature.View
	Fingerprint string            // of the store: the view's, unless a store of that name was removed
	Keys        []feature.Field   // of the offline table: join keys, and of tiles the secondary key if there is one
	Layout      *aggregate.Layout // of tiles; empty for a view that stores rows
	Features    feature.Schema    // of rows; nil for a view that stores tiles

	block time.Duration // the view's BlockLength, which is asked for with each cell that is read
}

// NewTarget prepares a view of a generation.
func NewTarget(workspace string, generation int64, view feature.View) (*Target, error) {
	fingerprint, err := view.Fingerprint()
	if err != nil {
		return nil, err
	}
	layout, err := aggregate.NewLayout(view.Aggregations, view.Schema)
	if err != nil {
		return nil, fmt.Errorf("view %s: %w", view.Name, err)
	}
	t := &Target{Workspace: workspace, Generation: generation, View: view, Fingerprint: fingerprint, Layout: layout}
	if view.Aggregated() {
		t.block = view.BlockLength()
		t.Keys, err = view.TileKeys()
		return t, err
	}
	t.Keys = view.JoinKeys()
	t.Features, err = view.Features()
	return t, err
}

// NewServingTarget prepares a view, as the definition has it that serves, to read the
// store that serves in a generation.
func NewServingTarget(g *registry.Generation, view feature.View) (*Target, error) {
	t, err := NewTarget(g.Workspace, g.Number, view)
	if err != nil {
		return nil, err
	}
	if stores, ok := g.Stores[view.Name]; ok {
		t.Fingerprint = stores.Serving.Fingerprint
	}
	return t, nil
}

// SecondaryKey returns the key whose values the aggregations tell apart, as a list
// of one; nil if there is none.
func (t *Target) SecondaryKey() []feature.Field { return t.Keys[len(t.View.JoinKeys()):] }

// Store names the view's data in every store: workspace/view/fingerprint.
func (t *Target) Store() string {
	return t.Workspace + "/" + t.View.Name + "/" + t.Fingerprint
}

// CellStore names the online store that holds the cells of an epoch, the one that
// the status cell names.
func (t *Target) CellStore(epoch string) string { return t.Store() + "/" + epoch }

// Covered returns the time that the offline store covers at a snapshot. A feature table
// has no windows: it covers all time, always.
func (t *Target) Covered(s offline.Snapshot) window.Set {
	if t.View.Ingested {
		return allTime()
	}
	return s.Covered
}

func allTime() window.Set { return window.NewSet(window.Between(nil, nil)) }

// Watermark returns the leading edge that an online store with this coverage is
// read at: the latest multiple of the batch schedule before which all is covered
// from where the earliest window starts, the lifetime's too, or any time of a view
// that stores rows, where a gap only means that the rows in it are missing. The
// second result is false when there is none. It depends on the definition, so
// readers ask it and not the status: a longer window may have been added to tiles
// that are there already.
func (t *Target) Watermark(covered window.Set) (window.Time, bool) {
	return covered.Watermark(t.View.Schedule(), t.View.WindowsStart)
}

// Table describes the view's offline table: keys and time, then partial states or
// features, and of a feature table the sequence of the ingest.
func (t *Target) Table(now window.Time) offline.Spec {
	at, columns := feature.TileStart, t.Layout.Fields()
	if !t.View.Aggregated() {
		at, columns = t.View.TimestampField, record.ArrowSchema(t.Features).Fields()
	}
	fields := record.ArrowSchema(t.Keys).Fields()
	fields = append(fields, arrow.Field{Name: at, Type: record.ArrowType(feature.Timestamp)})
	fields = append(fields, columns...)
	spec := offline.Spec{Path: offlinePrefix + t.Store(), Keys: t.Keys, Time: at}
	if t.View.Ingested {
		fields = append(fields, arrow.Field{Name: feature.IngestSequence, Type: record.ArrowType(feature.Int64)})
		spec.Sequence, spec.Partition = feature.IngestSequence, window.Month
	} else {
		start := t.View.MaterializationStart()
		spec.Step, spec.Partition = t.View.Schedule(), window.PartitionFor(window.Interval{Start: start, End: max(now, start)})
	}
	spec.Schema = arrow.NewSchema(fields, nil)
	return spec
}

// Block is the length of a block of tiles; zero for a view that stores rows.
func (t *Target) Block() time.Duration { return t.block }

// TilesPerBlock is how many tiles one cell may hold.
func (t *Target) TilesPerBlock() int {
	return int(t.block / t.View.Interval())
}
