package retrieve

import (
	"slices"

	"github.com/tilery/tilery/pkg/window"
)

const (
	// maxUncovered bounds the intervals that a report tells of a view, the earliest ones.
	maxUncovered = 1000
	// maxNeeds bounds those that are held meanwhile: past it, what lies between two
	// counts as needed, too.
	maxNeeds = 64 << 10
	// pendingNeeds is how many are collected before they are merged.
	pendingNeeds = 4 << 10
)

// needs is a union of intervals that come one by one, most of them many times.
type needs struct {
	merged  window.Set
	pending []window.Interval
}

func (n *needs) add(i window.Interval) {
	if i.Empty() || n.holds(i) {
		return
	}
	if len(n.pending) > 0 && n.pending[len(n.pending)-1] == i {
		return
	}
	if n.pending = append(n.pending, i); len(n.pending) >= pendingNeeds {
		n.merge()
	}
}

// holds reports whether one of the merged intervals covers i.
func (n *needs) holds(i window.Interval) bool {
	at, _ := slices.BinarySearchFunc(n.merged, i.Start, func(m window.Interval, start window.Time) int {
		if m.End <= start {
			return -1
		}
		return 1
	})
	return at < len(n.merged) && n.merged[at].Covers(i)
}

func (n *needs) merge() {
	n.merged = n.merged.Union(n.pending)
	n.pending = n.pending[:0]
	if len(n.merged) <= maxNeeds {
		return
	}
	var pairs window.Set
	for pair := range slices.Chunk(n.merged, 2) {
		pairs = append(pairs, window.Interval{Start: pair[0].Start, End: pair[len(pair)-1].End})
	}
	n.merged = pairs
}

// set returns the union.
func (n *needs) set() window.Set {
	n.merge()
	return n.merged
}

// uncovered tells what a part needed and its table does not cover.
func (p *part) uncovered() (Uncovered, bool) {
	wanted := window.Set{{Start: p.Target.View.MaterializationStart(), End: window.MaxTime}}
	missing := p.needs.set().Intersect(wanted).Subtract(p.Target.Covered(p.Snapshot))
	return Uncovered{
		View:      p.Target.View.Name,
		Intervals: missing[:min(len(missing), maxUncovered)],
	}, len(missing) > 0
}
