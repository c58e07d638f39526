package retrieve

import (
	"context"
	"fmt"
	"time"

	"github.com/apache/arrow/go/v15/arrow"

	"github.com/tilery/tilery/pkg/feature"
	"github.com/tilery/tilery/pkg/window"
)

// Columns of InRange.
const (
	ValidFromColumn = "_valid_from"
	ValidToColumn   = "_valid_to" // exclusive
)

// RangeRequest says whose features are wanted of which time.
type RangeRequest struct {
	Range    window.Interval // of instants, without those before feature_start_time
	Entities *Spine          // whose columns are the join keys and none else, and which has no Time; nil: all
	// MaxLookback leaves out what came longer before the range: rows, and of views with
	// aggregations those entities that have no later tile. Zero: nothing is left out.
	MaxLookback time.Duration
}

// InRange hands the features of a view to fn as they were in a range of time: a row for
// each change of one of them, in the order of the keys and the time. Columns are the
// join keys, the part's features, ValidFromColumn and ValidToColumn. At an instant from
// the one until before the other a join gives these features, if the key is one of the
// entities; where no row holds, all features are null, or a count of zero. A record is
// valid until fn returns. ErrSpine is as for Events.
func InRange(ctx context.Context, o Options, part Part, r RangeRequest, fn func(arrow.Record) error) (Report, error) {
	result, err := RangeResult(part)
	if err != nil {
		return Report{}, err
	}
	o = o.withDefaults()
	view := part.Target.View
	r.Range.Start = max(r.Range.Start, view.FeatureStartTime, window.MinTime)
	r.Range.End = min(r.Range.End, window.MaxTime)
	if r.Range.Empty() {
		return Report{}, nil
	}
	s := newSegments(part, result, r.Range, fn)
	var report Report
	if view.Aggregated() {
		report, err = windowsInRange(ctx, o, part, r, s.add)
	} else {
		asked := EventsRequest{Range: rowsInRange(view, r), Entities: r.Entities}
		if !asked.Range.Empty() {
			report, err = Events(ctx, o, part, asked, s.add)
		}
	}
	if err != nil {
		return Report{}, err
	}
	err = s.close()
	report.Rows = s.rows
	return report, err
}

// RangeResult returns the columns of what InRange makes of a part.
func RangeResult(part Part) (feature.Schema, error) {
	columns, err := Result(spineKeys(part), []Part{part})
	if err != nil {
		return nil, err
	}
	for _, name := range []string{ValidFromColumn, ValidToColumn} {
		if _, taken := columns.Lookup(name); taken {
			return nil, fmt.Errorf("%w: %q is the name of a column of view %s and of a time", ErrSpine, name, part.Target.View.Name)
		}
		columns = append(columns, feature.Field{Name: name, Type: feature.Timestamp})
	}
	return columns, nil
}

// rowsInRange returns the times of rows that count at an instant of the range.
func rowsInRange(view feature.View, r RangeRequest) window.Interval {
	out := window.Interval{Start: view.FeatureStartTime, End: view.CompleteEnd(r.Range.End - 1)}
	if view.TTL != 0 {
		out.Start = max(out.Start, view.CompleteEnd(r.Range.Start).Add(-time.Duration(view.TTL)))
	}
	if r.MaxLookback > 0 {
		out.Start = max(out.Start, r.Range.Start.Add(-r.MaxLookback))
	}
	return out
}
