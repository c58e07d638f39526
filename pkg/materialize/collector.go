package materialize

import (
	"errors"
	"fmt"

	"github.com/apache/arrow/go/v15/arrow"

	"github.com/tilery/tilery/pkg/internal/spill"
	"github.com/tilery/tilery/pkg/window"
)

// collector takes the rows of one or more windows in any order, as the SQL returns
// them, and hands out those of each window's table in theirs: the same records
// whether they fit into memory or not. What does not even fit on disk is ErrTooLarge.
type collector interface {
	// reset drops what was added, for the rows of span.
	reset(span window.Interval) error
	add(rec arrow.Record) error
	// write follows the last add. Every window of the span is written once, in order.
	write(w window.Interval, schema *arrow.Schema, write func(arrow.Record) error) error
	// release ends the use of the collector.
	release()
}

func newCollector(t *Target, maxBytes int64, runs *spill.Runs) collector {
	if t.View.Aggregated() {
		return newBuilder(t, maxBytes, runs)
	}
	return newRowSorter(t, maxBytes, runs)
}

// full marks an error as ErrTooLarge when there was no room to spill.
func full(err error) error {
	if errors.Is(err, spill.ErrFull) {
		return fmt.Errorf("%w: %w", ErrTooLarge, err)
	}
	return err
}
