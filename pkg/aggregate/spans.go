package aggregate

// Span is the segments [From, To).
type Span struct{ From, To int32 }

// Spans merges segments, which are groups of a States in the order of time, over
// spans. Its methods set groups[i] to the group of what spans[i] holds, -1: nothing.
// That is a new group, the segment itself if it is the only one, or that of an equal
// span, so nothing may be merged into it. A segment of -1 is empty. The zero value
// is ready; it keeps memory from call to call.
type Spans struct {
	states *States
	old    int32 // groups that were there before the call
	next   int32
	// The first n are to be done, in order. A run of merges is done partial by partial,
	// which costs less than one by one.
	pending []pair
	n       int
}

// pair is the merge of a group into another one.
type pair struct{ into, from int32 }

// maxPending bounds the merges that are put off, so that they stay near the processor.
const maxPending = 4096

// Slide takes spans of which both ends ascend, with few merges for each segment and
// span, however many spans hold a segment: a span is what lies before a pivot and
// what lies behind it. What lies before is merged once, backwards from the pivot, for
// all spans that reach back over it; what lies behind grows with each of them.
func (m *Spans) Slide(states *States, segments []int32, spans []Span, groups []int32) {
	m.begin(states)
	for i := 0; i < len(spans); {
		end := i + 1
		for end < len(spans) && spans[end].From < spans[i].To {
			end++
		}
		m.pivot(segments, spans[i:end], groups[i:end])
		i = end
	}
	m.do()
}

// pivot merges spans that all reach back over the end of the first one.
func (m *Spans) pivot(segments []int32, spans []Span, groups []int32) {
	pivot := spans[0].To
	at, before := pivot, int32(-1)
	for i := len(spans) - 1; i >= 0; i-- {
		for ; at > spans[i].From; at-- {
			before = m.plus(before, segments[at-1])
		}
		if i == 0 {
			groups[i] = before
		} else if spans[i] != spans[i-1] {
			groups[i] = m.copied(before)
		}
	}
	at, behind := pivot, int32(-1)
	for i, s := range spans {
		if i > 0 && s == spans[i-1] {
			groups[i] = groups[i-1]
			continue
		}
		for ; at < s.To; at++ {
			behind = m.plus(behind, segments[at])
		}
		if groups[i] < 0 {
			groups[i] = m.copied(behind)
		} else {
			groups[i] = m.plus(groups[i], behind)
		}
	}
}

// Nest takes spans in the order of their ends, and of one end the shorter first,
// which the longer one goes on from.
func (m *Spans) Nest(states *States, segments []int32, spans []Span, groups []int32) {
	m.begin(states)
	end, at, sum := int32(-1), int32(0), int32(-1)
	for i, s := range spans {
		if s.To != end {
			end, at, sum = s.To, s.To, -1
		} else if at > s.From {
			sum = m.copied(sum) // the shorter span keeps its own
		}
		for ; at > s.From; at-- {
			sum = m.plus(sum, segments[at-1])
		}
		groups[i] = sum
	}
	m.do()
}

func (m *Spans) begin(states *States) {
	m.states = states
	m.old = int32(states.Len())
	m.next = m.old
}

// plus adds b to a and returns the group that has both. It changes a if that was
// made by this call; to those of the caller nothing is added.
func (m *Spans) plus(a, b int32) int32 {
	switch {
	case b < 0:
		return a
	case a < 0:
		return b
	case a < m.old:
		a = m.newGroup(a)
	}
	m.merge(a, b)
	return a
}

// copied returns a group that has what a has and stays when plus changes a.
func (m *Spans) copied(a int32) int32 {
	if a < m.old {
		return a
	}
	return m.newGroup(a)
}

// newGroup returns a new group of what a has.
func (m *Spans) newGroup(a int32) int32 {
	group := m.next
	m.next++
	m.merge(group, a)
	return group
}

func (m *Spans) merge(into, from int32) {
	if m.n == len(m.pending) {
		m.makeRoom()
	}
	m.pending[m.n] = pair{into, from}
	m.n++
}

func (m *Spans) makeRoom() {
	if m.n == maxPending {
		m.do()
		return
	}
	longer := make([]pair, max(32, 2*m.n))
	copy(longer, m.pending)
	m.pending = longer
}

// do does the merges that were put off.
func (m *Spans) do() {
	m.states.Grow(int(m.next))
	m.states.mergePairs(m.pending[:m.n])
	m.n = 0
}
