package buckettest

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tilery/tilery/pkg/bucket"
)

// A pause of an actor (a backoff, say) is waited for in bubble time, which costs
// nothing; one that is longer than maxWaits of them is a deadlock.
const (
	waitFor  = 100 * time.Millisecond
	maxWaits = 200
)

// Schedule is one run of a scene under Explore. Its actors stop before each call of
// a bucket, and go on one at a time, as the schedule has it.
type Schedule struct {
	t      *testing.T
	faults int // that may still be injected
	always func()
	last   func()

	mu     sync.Mutex
	actors []*actor
	trace  []choice
	over   bool // nothing that actors still do has an effect
}

type actor struct {
	name  string
	steps []*step // that wait for their turn
	ended bool
	err   error
}

// step is a call that waits.
type step struct {
	process *Process
	op, key string
	turn    chan Fault
}

// Process is a life of an actor. It ends by returning, or by a crash, after which
// none of its calls has an effect.
type Process struct {
	Life int // 0, and one more for each life before

	schedule *Schedule
	actor    *actor
	aside    bool // calls do not wait
	failed   bool // by an injected fault
	dead     bool
}

// choice is what can happen next: a step of an actor, and how it goes.
type choice struct {
	actor   int
	name    string
	op, key string
	fault   Fault
	dies    bool // the process, at this step
}

// Go adds an actor. Act runs in a goroutine and must not end the test there: it
// returns what is wrong. When it returns an error after a fault that was injected,
// it is called again, with the next life, as a workflow tries again.
func (s *Schedule) Go(name string, act func(p *Process) error) {
	a := &actor{name: name}
	s.actors = append(s.actors, a)
	go func() {
		err := s.live(a, act)
		s.mu.Lock()
		defer s.mu.Unlock()
		a.ended, a.err = true, err
	}()
}

// Always adds a check that is made before each step, while all actors stand still.
func (s *Schedule) Always(check func()) { s.always = check }

// Finally adds a check that is made when all actors have ended.
func (s *Schedule) Finally(check func()) { s.last = check }

func (s *Schedule) live(a *actor, act func(p *Process) error) error {
	for life := 0; ; life++ {
		p := &Process{Life: life, schedule: s, actor: a}
		err := act(p)
		s.mu.Lock()
		again := err != nil && p.failed && !s.over
		s.mu.Unlock()
		if !again {
			return err
		}
	}
}

// Bucket returns b as the process sees it.
func (p *Process) Bucket(b bucket.Bucket) bucket.Bucket { return Faulty{Bucket: b, Hook: p.Step} }

// Aside runs what comes before the scene: its calls take no turns.
func (p *Process) Aside(do func() error) error {
	p.aside = true
	defer func() { p.aside = false }()
	return do()
}

// Step waits for the turn of a call and says how it goes. Op is one of
// bucket.Bucket's methods, or any other word for calls of another store: those
// that only read are in the list of isRead.
func (p *Process) Step(op, key string) Fault {
	s := p.schedule
	s.mu.Lock()
	if p.aside || p.dead || s.over {
		defer s.mu.Unlock()
		if p.aside && !s.over {
			return None
		}
		return Refused
	}
	waiting := &step{process: p, op: op, key: key, turn: make(chan Fault, 1)}
	p.actor.steps = append(p.actor.steps, waiting)
	s.mu.Unlock()
	return <-waiting.turn
}

// run plays the schedule that choose chooses, and reports whether it came to its end.
func (s *Schedule) run(choose func([]choice) (choice, bool)) bool {
	for {
		s.settle()
		if s.always != nil {
			s.always()
		}
		choices := s.choices()
		if len(choices) == 0 {
			break
		}
		next, ok := choose(choices)
		if !ok {
			return false
		}
		s.take(next)
	}
	for _, a := range s.actors {
		require.NoError(s.t, a.err, a.name)
	}
	if s.last != nil {
		s.last()
	}
	return true
}

// settle returns when every actor waits for a turn or has ended.
func (s *Schedule) settle() {
	for range maxWaits {
		synctest.Wait()
		if s.settled() {
			return
		}
		<-time.After(waitFor)
	}
	require.FailNow(s.t, "an actor neither takes a step nor ends")
}

func (s *Schedule) settled() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return !slices.ContainsFunc(s.actors, func(a *actor) bool { return !a.ended && len(a.steps) == 0 })
}

// choices lists what can happen next, the same in each replay. Of an actor's calls
// that are under way at once, the one with the least key comes first.
func (s *Schedule) choices() []choice {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []choice
	for i, a := range s.actors {
		if len(a.steps) == 0 {
			continue
		}
		slices.SortStableFunc(a.steps, func(x, y *step) int {
			return cmp.Or(cmp.Compare(x.key, y.key), cmp.Compare(x.op, y.op))
		})
		c := choice{actor: i, name: a.name, op: a.steps[0].op, key: a.steps[0].key}
		out = append(out, c)
		if s.faults == 0 {
			continue
		}
		c.fault, c.dies = Refused, true
		out = append(out, c)
		if !isRead(c.op) {
			c.fault = LostAnswer
			out = append(out, c)
			c.dies = false
			out = append(out, c)
		}
	}
	return out
}

// take lets the step of c go on.
func (s *Schedule) take(c choice) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.trace = append(s.trace, c)
	a := s.actors[c.actor]
	now := a.steps[0]
	a.steps = a.steps[1:]
	if c.fault != None {
		s.faults--
		now.process.failed = true
	}
	if c.dies {
		now.process.dead = true
		refuse(a)
	}
	now.turn <- c.fault
}

// refuse ends all calls of a that wait.
func refuse(a *actor) {
	for _, waiting := range a.steps {
		waiting.turn <- Refused
	}
	a.steps = nil
}

// end lets actors that still wait go, without effect, and says after a failure how
// it came about.
func (s *Schedule) end() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.over = true
	for _, a := range s.actors {
		refuse(a)
	}
	if !s.t.Failed() {
		return
	}
	var text strings.Builder
	for i, c := range s.trace {
		fmt.Fprintf(&text, "%3d %v\n", i+1, c)
	}
	s.t.Logf("the schedule was\n%s", &text)
}

func (c choice) String() string {
	text := c.name + ": " + c.op + " " + c.key
	switch {
	case c.fault == Refused:
		return text + ": crash before"
	case c.fault == LostAnswer && c.dies:
		return text + ": crash after"
	case c.fault == LostAnswer:
		return text + ": answer lost"
	}
	return text
}

// isRead tells calls that change nothing. Create and Write are such: an upload
// shows when it is closed.
func isRead(op string) bool {
	switch op {
	case "Get", "GetRange", "Stat", "List", "Create", "Write", "get", "read", "scan":
		return true
	}
	return false
}
