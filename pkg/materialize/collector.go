package materialize

import (
	"github.com/apache/arrow/go/v15/arrow"

	"github.com/tilery/tilery/pkg/window"
)

// collector takes the rows of one or more windows in any order, as the SQL returns
// them, and hands out those of each window's table in theirs. What does not fit
// into memory is ErrTooLarge.
type collector interface {
	// reset drops what was added, for the rows of span.
	reset(span window.Interval) error
	add(rec arrow.Record) error
	// write follows the last add.
	write(w window.Interval, schema *arrow.Schema, write func(arrow.Record) error) error
	// release ends the use of the collector.
	release()
}

func newCollector(t *Target, maxBytes int64) collector {
	if t.View.Aggregated() {
		return newBuilder(t, maxBytes)
	}
	return newRowSorter(t, maxBytes)
}
