package retrieve

import (
	"slices"

	"github.com/tilery/tilery/pkg/window"
)

// bounds walks along the tiles of a key and tells between which of them a window
// begins or ends at one of the key's edges. What lies between two bounds is in the
// same windows.
type bounds struct {
	offsets  []window.Time // from the edge to where a window begins or ends, each once
	holds    []holding
	everyone bool // each tile is told apart

	edges  []window.Time // of the key
	passed []int32       // by offset: how many edges have their bound at the tile or before

	next window.Time // the next bound: the first start of a tile that is told apart
	held bool        // a window holds the tile
}

// holding is a window by the numbers of its offsets. The lifetime has no first one.
type holding struct {
	start, end int
	lifetime   *window.Time
}

// maxBoundSeries is how many windows a series may have to be told apart; of a longer
// one each tile stands for itself, as it does with a short step anyway.
const maxBoundSeries = 16

func newBounds(windows []*timeWindow) bounds {
	var b bounds
	number := func(offset window.Time) int {
		if !slices.Contains(b.offsets, offset) {
			b.offsets = append(b.offsets, offset)
		}
		return slices.Index(b.offsets, offset)
	}
	for _, w := range windows {
		switch {
		case w.Lifetime:
			b.holds = append(b.holds, holding{end: number(0), lifetime: &w.lifetimeStart})
		case w.steps > maxBoundSeries:
			b.everyone = true
			last := w.start + window.Time(w.steps-1)*w.step
			b.holds = append(b.holds, holding{start: number(w.start), end: number(last + w.size)})
		default:
			for k := range window.Time(w.steps) {
				start := w.start + k*w.step
				b.holds = append(b.holds, holding{start: number(start), end: number(start + w.size)})
			}
		}
	}
	b.passed = make([]int32, len(b.offsets))
	return b
}

// seek goes to a tile of a key that has those edges.
func (b *bounds) seek(edges []window.Time, start window.Time) {
	b.edges = edges
	for i, offset := range b.offsets {
		at, _ := slices.BinarySearch(edges, start-offset)
		b.passed[i] = int32(at)
	}
	b.advance(start)
}

// advance goes on to a later tile of the key.
func (b *bounds) advance(start window.Time) {
	b.next = never
	for i, offset := range b.offsets {
		passed := b.passed[i]
		for int(passed) < len(b.edges) && b.edges[passed]+offset <= start {
			passed++
		}
		b.passed[i] = passed
		if int(passed) < len(b.edges) {
			b.next = min(b.next, b.edges[passed]+offset)
		}
	}
	b.held = false
	for _, h := range b.holds {
		switch {
		case h.lifetime == nil:
			b.held = b.held || b.passed[h.start] > b.passed[h.end]
		case start >= *h.lifetime:
			b.held = b.held || int(b.passed[h.end]) < len(b.edges)
		default:
			b.next = min(b.next, *h.lifetime)
		}
	}
	if b.everyone {
		b.next = start + 1
	}
}
