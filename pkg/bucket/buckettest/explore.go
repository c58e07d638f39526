package buckettest

import (
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
)

// Plan says which schedules Explore plays.
type Plan struct {
	// Faults is how many a schedule may have at most: a process that crashes before
	// or after any of its calls, or a write whose answer is lost.
	Faults int
	// Random is how many schedules are drawn, instead of playing all.
	Random int
	// Seed of what is drawn.
	Seed uint64
	// Max bounds the schedules; if there are more, the test fails. 0: 20,000.
	Max int
}

// Explore plays a scene, which adds actors and checks to its schedule, in every
// order that the steps of the actors can take, with every fault that the plan
// allows at every step, each time from the beginning. Of orders that differ only
// in neighbouring steps which do not meet (calls of two keys, or two reads), and
// so give every actor the same answers, it plays one. Scene runs in a bubble of
// package synctest: its time is not real, and pauses take none.
//
// All that decides what an actor does next must come from its calls, or a replay
// goes another way, which fails the test.
func Explore(t *testing.T, p Plan, scene func(t *testing.T, s *Schedule)) {
	t.Helper()
	if p.Max == 0 {
		p.Max = 20_000
	}
	if p.Random > 0 {
		exploreRandomly(t, p, scene)
		return
	}
	x := &search{t: t}
	played, same, longest := 0, 0, 0
	for more := true; more; more = x.advance() {
		if played+same == p.Max {
			t.Fatalf("there are more than %d schedules", p.Max)
		}
		if steps, whole := playOnce(t, p, scene, x.choose); whole {
			played++
			longest = max(longest, steps)
		} else {
			same++
		}
		if t.Failed() {
			return
		}
	}
	t.Logf("%d schedules of up to %d steps; %d more were equal to one of them", played, longest, same)
}

func exploreRandomly(t *testing.T, p Plan, scene func(t *testing.T, s *Schedule)) {
	t.Helper()
	for i := range p.Random {
		r := rand.New(rand.NewPCG(p.Seed, uint64(i)))
		playOnce(t, p, scene, func(choices []choice) (choice, bool) { return draw(r, choices), true })
		if t.Failed() {
			t.Logf("schedule %d of seed %d", i, p.Seed)
			return
		}
	}
	t.Logf("%d schedules of seed %d", p.Random, p.Seed)
}

// draw draws a fault where there is one in one step of ten, which puts them
// anywhere in a schedule of some tens of steps.
func draw(r *rand.Rand, choices []choice) choice {
	faulty := r.IntN(10) == 0
	some := slices.DeleteFunc(slices.Clone(choices), func(c choice) bool { return (c.fault != None) != faulty })
	if len(some) == 0 {
		some = choices
	}
	return some[r.IntN(len(some))]
}

func playOnce(t *testing.T, p Plan, scene func(*testing.T, *Schedule), choose func([]choice) (choice, bool)) (steps int, whole bool) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		s := &Schedule{t: t, faults: p.Faults}
		defer s.end()
		scene(t, s)
		whole = s.run(choose)
		steps = len(s.trace)
	})
	return steps, whole
}

// search goes through the tree of choices, depth first. Its path leads to the
// schedule that is played.
//
// Sleep sets keep it from playing two orders of steps that do not meet: a choice
// that was tried at a fork sleeps in the branches after it until a step is taken
// that meets it, since before that it would lead to what was played already.
type search struct {
	t     *testing.T
	path  []*fork
	depth int // of the schedule being played
}

type fork struct {
	choices []choice // those that do not sleep
	taken   int
	asleep  []choice
}

func (x *search) choose(choices []choice) (choice, bool) {
	if x.depth == len(x.path) {
		f := x.fork(choices)
		if len(f.choices) == 0 {
			return choice{}, false
		}
		x.path = append(x.path, f)
	}
	f := x.path[x.depth]
	x.depth++
	want := f.choices[f.taken]
	i := slices.IndexFunc(choices, func(c choice) bool { return c.same(want) && c.op == want.op })
	if i < 0 {
		x.t.Errorf("a replay differs at step %d: %v cannot happen, but %v", x.depth, want, choices)
		return choice{}, false
	}
	return choices[i], true
}

// fork returns the fork at the end of the path.
func (x *search) fork(choices []choice) *fork {
	f := &fork{}
	if n := len(x.path); n > 0 {
		before := x.path[n-1]
		step := before.choices[before.taken]
		for _, c := range slices.Concat(before.asleep, before.choices[:before.taken]) {
			if !c.meets(step) {
				f.asleep = append(f.asleep, c)
			}
		}
	}
	for _, c := range choices {
		if !slices.ContainsFunc(f.asleep, c.same) {
			f.choices = append(f.choices, c)
		}
	}
	return f
}

// advance moves the path to the next schedule; false: there is none.
func (x *search) advance() bool {
	x.depth = 0
	for n := len(x.path) - 1; n >= 0; n-- {
		if f := x.path[n]; f.taken+1 < len(f.choices) {
			f.taken++
			return true
		}
		x.path = x.path[:n]
	}
	return false
}

func (c choice) same(other choice) bool {
	return c.actor == other.actor && c.fault == other.fault && c.dies == other.dies
}

// meets reports whether the order of two steps can matter. Faults do, as one can
// use up what the other needs.
func (c choice) meets(other choice) bool {
	switch {
	case c.actor == other.actor, c.fault != None && other.fault != None:
		return true
	case isRead(c.op) && isRead(other.op), c.fault == Refused, other.fault == Refused:
		return false
	case c.op == "List":
		return strings.HasPrefix(other.key, c.key)
	case other.op == "List":
		return strings.HasPrefix(c.key, other.key)
	}
	return c.key == other.key
}
