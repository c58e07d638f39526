package retrieve

import (
	"context"
	"errors"

	"github.com/apache/arrow/go/v15/arrow"

	"github.com/tilery/tilery/pkg/feature"
	"github.com/tilery/tilery/pkg/materialize"
	"github.com/tilery/tilery/pkg/offline"
	"github.com/tilery/tilery/pkg/window"
)

// ErrSpine is a spine that does not fit the features that are asked for. Its text
// is for the one who made the spine.
var ErrSpine = errors.New("spine")

// Options bound a join. Zero values mean the defaults.
type Options struct {
	MemoryBytes  int64  // of the spine, the features and open files together, about; default 512 MiB
	Threads      int    // default 1
	ScratchDir   string // where a spine is sorted that is larger; default the system's temporary directory
	ScratchBytes int64  // default 64 GiB
	OnProgress   func(Progress)
}

// Progress is how far a join has come. Rows counts those of the spine that have
// their features, of all parts.
type Progress struct {
	Rows    int64 `json:"rows"`
	Spilled int64 `json:"spilled_bytes"`
}

// Spine is entities and instants.
type Spine struct {
	Schema feature.Schema // of the records, in order
	Time   string         // the column of the instants, a Timestamp
	// Next returns io.EOF after the last record. A record is valid until the next call.
	Next func() (arrow.Record, error)
}

// Part is what one view contributes.
type Part struct {
	Target   *materialize.Target
	Table    offline.Table
	Snapshot offline.Snapshot
	Keys     []string // by join key of the view: the spine's column
	Features []Column
}

// Column is a feature of a view as a column of the result.
type Column struct {
	Feature int    // its place in View.Features
	Name    string // of the column
}

// Report tells what a join was asked for and could not know.
type Report struct {
	Rows      int64       `json:"rows"`
	Uncovered []Uncovered `json:"uncovered,omitempty"`
}

// Uncovered is time that features were asked of and that is not materialized.
type Uncovered struct {
	View      string            `json:"view"`
	Intervals []window.Interval `json:"intervals"`
}

// Join hands the rows of the spine with their features to fn, as records of the
// spine's columns and then those of the parts. A null key or time has no features.
// A record is valid until fn returns. ErrSpine is a spine without the columns that
// the parts need, or with columns that have the name of one of theirs.
func Join(ctx context.Context, o Options, spine Spine, parts []Part, fn func(arrow.Record) error) (Report, error) {
	j, err := newJoin(o.withDefaults(), spine, parts, fn)
	if err != nil {
		return Report{}, err
	}
	if err := j.run(ctx); err != nil {
		return Report{}, err
	}
	return j.report(), nil
}

func (o Options) withDefaults() Options {
	if o.MemoryBytes <= 0 {
		o.MemoryBytes = 512 << 20
	}
	if o.Threads <= 0 {
		o.Threads = 1
	}
	if o.ScratchBytes <= 0 {
		o.ScratchBytes = 64 << 30
	}
	return o
}
