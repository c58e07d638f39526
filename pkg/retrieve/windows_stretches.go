package retrieve

import (
	"cmp"
	"slices"

	"github.com/tilery/tilery/pkg/window"
)

// stretch is tiles of a key that followed each other in a file without a bound
// between them: one group of the states.
type stretch struct {
	start   window.Time // of its first tile
	key, id int32       // id is that of the secondary key
	group   int32
}

// stretches are those of a batch.
type stretches struct {
	all    []stretch
	runs   []int32 // where those begin of which stretches ascend: about one for each file
	groups int32

	key, id, group int32 // of the newest tile
	at             window.Time

	sorted []stretch     // by key, secondary key and start
	firsts []int32       // by key: its first one in sorted; one more at the end
	starts []window.Time // as sorted
	merged []int32       // their groups, as sorted
}

func (s *stretches) begin() {
	s.all, s.runs, s.groups = s.all[:0], s.runs[:0], 0
	s.key = -1
}

// open begins a stretch with a tile and returns its group; -1 if no window holds it.
func (s *stretches) open(key, id int32, start window.Time, held bool) int32 {
	s.key, s.id, s.at, s.group = key, id, start, -1
	if !held {
		return -1
	}
	next := stretch{start, key, id, s.groups}
	s.group = s.groups
	s.groups++
	if n := len(s.all); n == 0 || descends(s.all[n-1], next) {
		s.runs = append(s.runs, int32(n))
	}
	s.all = append(s.all, next)
	return s.group
}

func descends(a, b stretch) bool {
	return b.key < a.key || b.key == a.key && b.id == a.id && b.start < a.start
}

// sortTiles puts the stretches in order. Runs are dealt out to the keys from the last
// to the first, since files come latest first: they seldom leave anything to sort.
func (w *windows) sortTiles() {
	s := &w.tiles
	compare := func(a, b stretch) int { return cmp.Compare(a.start, b.start) }
	if w.secondary != nil {
		ranks := w.secondary.ranks()
		compare = func(a, b stretch) int {
			return cmp.Or(cmp.Compare(ranks[a.id], ranks[b.id]), cmp.Compare(a.start, b.start))
		}
	}
	s.deal(w.edges.keys())
	s.starts, s.merged = s.starts[:0], s.merged[:0]
	for key := range w.edges.keys() {
		own := s.sorted[s.firsts[key]:s.firsts[key+1]]
		if !slices.IsSortedFunc(own, compare) {
			slices.SortFunc(own, compare)
		}
		for _, t := range own {
			s.starts, s.merged = append(s.starts, t.start), append(s.merged, t.group)
		}
	}
}

// deal sorts by key alone.
func (s *stretches) deal(keys int32) {
	s.firsts = resized(s.firsts, int(keys)+1)
	fill(s.firsts, 0)
	for _, t := range s.all {
		s.firsts[t.key+1]++
	}
	for key := range keys {
		s.firsts[key+1] += s.firsts[key]
	}
	s.sorted = resized(s.sorted, len(s.all))
	end := int32(len(s.all))
	for i := len(s.runs) - 1; i >= 0; i-- {
		for _, t := range s.all[s.runs[i]:end] {
			s.sorted[s.firsts[t.key]] = t
			s.firsts[t.key]++
		}
		end = s.runs[i]
	}
	copy(s.firsts[1:], s.firsts[:keys]) // each has moved to the end of its key
	s.firsts[0] = 0
}

// compactTiles puts stretches of different files together that no bound divides.
func (w *windows) compactTiles() {
	w.sortTiles()
	if w.spare == nil {
		w.spare = w.layout.NewStates()
	}
	w.spare.Reset()
	s := &w.tiles
	s.begin()
	for _, t := range s.sorted {
		group := w.place(t.key, t.id, t.start)
		w.spare.Grow(int(s.groups))
		w.spare.Merge(int(group), w.states, int(t.group))
	}
	s.key = -1
	w.states, w.spare = w.spare, w.states
	w.limit = max(w.atLeast, 2*w.states.Bytes())
}
