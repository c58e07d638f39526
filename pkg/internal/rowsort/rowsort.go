// Package rowsort sorts the rows of records by join keys and time, in memory, or on disk
// when they do not fit.
package rowsort

import (
	"github.com/apache/arrow/go/v15/arrow"

	"github.com/tilery/tilery/pkg/feature"
	"github.com/tilery/tilery/pkg/internal/spill"
	"github.com/tilery/tilery/pkg/window"
)

// Spec says what rows are and how they are sorted: by part, join keys in encoded byte
// order, time, and then as Last says.
type Spec struct {
	Keys   []feature.Field // the first columns; a Timestamp without nulls follows
	Values []feature.Field // the columns after it
	// Part divides rows by time; nil: all are of part 0.
	Part func(window.Time) int32
	// Last keeps of rows with equal keys and time only the one that was added last.
	// Otherwise all are kept, in the order of their canonical bytes (record.RowEncoder).
	Last bool
}

// Sorter takes records and hands out their rows sorted. It belongs to one goroutine.
type Sorter struct{}

// New returns a sorter that holds about maxBytes, and spills to runs beyond.
func New(spec Spec, maxBytes int64, runs *spill.Runs) *Sorter { panic("todo") }

// Add takes the rows of a record. It keeps no reference to rec.
func (s *Sorter) Add(rec arrow.Record) error { panic("todo") }

// Write hands the rows of a part to write, in order, as records of keys, time and values
// of at most 64 Ki rows and about 8 MiB; parts are asked for in ascending order.
func (s *Sorter) Write(part int32, write func(arrow.Record) error) error { panic("todo") }

// Dropped returns how many rows Last has left out; it is known after the last Write.
func (s *Sorter) Dropped() int64 { panic("todo") }

// Reset empties the sorter for other rows.
func (s *Sorter) Reset() error { panic("todo") }

// Close removes what was spilled.
func (s *Sorter) Close() { panic("todo") }
