package delta

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/tilery/tilery/pkg/offline"
	"github.com/tilery/tilery/pkg/window"
)

// A state remembers at least so many of the newest versions, at most twice as many.
const (
	keptChanges   = 256
	keptCommitIDs = 1000
)

// state is a table at a version. It is never changed once it was handed out.
type state struct {
	spec     offline.Spec // with the partition of the table, once there is one
	number   int64        // of the version; -1: there is no table
	protocol protocol
	metaData metaData
	files    map[string]offline.File
	readAt   map[window.Time]window.Time
	// appended are the names of what was ingested, and when; those of more than
	// rememberAppends ago may be missing.
	appended map[string]window.Time
	fence    int64
	fences   []fence                // the newest erasures, in order; old ones may be missing
	txns     map[string]transaction // of other programs, by application id
	clock    window.Time            // the latest time at which a version was made
	// tombstones are the files that were removed, and when at the latest; zero: it is
	// not known. fresh are those among them of which only the next version will tell.
	// Those removed before the retention may be missing.
	tombstones map[string]window.Time
	fresh      []string
	past       []entry  // the newest versions, in order
	commits    []string // ids of the newest versions, in order; "" of other programs
}

// entry is what is remembered of a version.
type entry struct {
	commitID string
	change   offline.Change
}

// horizon is the times before which a state's memories are of no use.
type horizon struct{ removed, appended window.Time }

// rememberAppends is for how long the name of what was ingested is known: longer than
// anything that was staged, so that nothing is ingested twice.
const rememberAppends = 90 * 24 * time.Hour

func newState(spec offline.Spec) *state {
	return &state{
		spec:       spec,
		number:     -1,
		files:      map[string]offline.File{},
		readAt:     map[window.Time]window.Time{},
		appended:   map[string]window.Time{},
		txns:       map[string]transaction{},
		tombstones: map[string]window.Time{},
	}
}

// clone returns a state to apply versions to, without what lies before the horizon.
// past and commits are shared: they only grow, or are made anew, and histories are
// advanced one at a time, from the state that was installed last.
func (s *state) clone(h horizon) *state {
	next := *s
	next.appended = maps.Clone(s.appended)
	maps.DeleteFunc(next.appended, func(_ string, at window.Time) bool { return at < h.appended })
	next.fences = s.lastingFences(h)
	next.files = maps.Clone(s.files)
	next.readAt = maps.Clone(s.readAt)
	next.txns = maps.Clone(s.txns)
	next.tombstones = maps.Clone(s.tombstones)
	maps.DeleteFunc(next.tombstones, func(_ string, removed window.Time) bool { return removed < h.removed })
	return &next
}

// oldest returns the version after which the changes are remembered.
func (s *state) oldest() int64 { return s.number - int64(len(s.past)) }

// apply moves s to the next version. After an error s is useless.
func (s *state) apply(l *layout, v *version) error {
	if v.number != s.number+1 {
		return fmt.Errorf("%w: version %d follows %d", offline.ErrCorrupt, v.number, s.number)
	}
	if v.number == 0 && (v.protocol == nil || v.metaData == nil) {
		return fmt.Errorf("%w: the first version does not describe a table", offline.ErrCorrupt)
	}
	if v.protocol != nil {
		if err := s.applyProtocol(*v.protocol); err != nil {
			return err
		}
	}
	if v.metaData != nil {
		if err := s.applyMetaData(l, *v.metaData); err != nil {
			return err
		}
	}
	s.number = v.number
	made := entry{change: offline.Change{Version: v.number}}
	if v.info != nil {
		planned := timeOfMillis(v.info.Timestamp)
		s.clock = max(s.clock, planned)
		s.settle(planned)
	}
	if v.info != nil && v.info.Tilery != nil {
		made.commitID = v.info.Tilery.CommitID
		made.change.Online = v.info.Tilery.Online
		made.change.Erased = v.info.Tilery.Erased.keySet()
	}
	for _, step := range []func(*version, *offline.Change) error{s.applyRemoves, s.applyAdds, s.applyTxns} {
		if err := step(v, &made.change); err != nil {
			return err
		}
	}
	s.past = appendKept(s.past, made, keptChanges)
	s.commits = appendKept(s.commits, made.commitID, keptCommitIDs)
	return nil
}

// appendKept appends v, and lets go of all but the last n elements when there are
// twice as many.
func appendKept[T any](list []T, v T, n int) []T {
	if len(list) >= 2*n {
		list = slices.Clone(list[len(list)-n+1:])
	}
	return append(list, v)
}

func (s *state) applyProtocol(p protocol) error {
	s.protocol = p
	return p.supported()
}

// applyMetaData takes the table's partition from its first version. It cannot
// change, or files would cross it.
func (s *state) applyMetaData(l *layout, m metaData) error {
	if err := l.check(m); err != nil {
		return err
	}
	partition, err := m.partition()
	if err != nil {
		return err
	}
	if s.number >= 0 && partition != s.spec.Partition {
		return fmt.Errorf("%w: %s changes from %s to %s", offline.ErrMismatch, partitionSetting, s.spec.Partition, partition)
	}
	s.spec.Partition, s.metaData = partition, m
	return nil
}

func (s *state) applyRemoves(v *version, change *offline.Change) error {
	for _, r := range v.removes {
		f, live := s.files[r.Path]
		if !live {
			return fmt.Errorf("%w: removed file %s is not live", offline.ErrCorrupt, r.Path)
		}
		delete(s.files, r.Path)
		s.bury(r.Path)
		change.Removed = append(change.Removed, f)
	}
	return nil
}

func (s *state) applyAdds(v *version, change *offline.Change) error {
	for _, a := range v.adds {
		f, err := s.applyAdd(a)
		if err != nil {
			return err
		}
		change.Added = append(change.Added, f)
	}
	return nil
}

func (s *state) applyAdd(a addFile) (offline.File, error) {
	f, err := a.file(s.spec)
	if err != nil {
		return f, err
	}
	if _, live := s.files[f.Path]; live {
		return f, fmt.Errorf("%w: file %s is added twice", offline.ErrCorrupt, f.Path)
	}
	if f.Seq < 0 || f.Seq > s.number {
		return f, fmt.Errorf("%w: file %s has sequence number %d", offline.ErrCorrupt, f.Path, f.Seq)
	}
	s.files[f.Path] = f
	delete(s.tombstones, f.Path)
	return f, nil
}

func (s *state) applyTxns(v *version, change *offline.Change) error {
	for _, x := range v.txns {
		w, ok, err := s.applyTxn(x)
		if err != nil {
			return err
		}
		if ok {
			change.Windows = append(change.Windows, w)
		}
	}
	return nil
}

// applyTxn returns the window that x covers; false: it covers none.
func (s *state) applyTxn(x transaction) (window.Interval, bool, error) {
	if taken, err := s.applyFence(x); taken || err != nil {
		return window.Interval{}, false, err
	}
	if name, ok := strings.CutPrefix(x.AppID, appendPrefix); ok && s.spec.Sequence != "" {
		s.appended[name] = timeOfMillis(x.LastUpdated)
		return window.Interval{}, false, nil
	}
	w, ok, err := x.window(s.spec)
	if err != nil {
		return w, false, err
	}
	if !ok {
		s.txns[x.AppID] = x
		return w, false, nil
	}
	at := window.Time(x.Version)
	if before, covered := s.readAt[w.Start]; covered && at <= before {
		return w, false, fmt.Errorf("%w: window %v read at %v is replaced by one read at %v", offline.ErrCorrupt, w, before, at)
	}
	s.readAt[w.Start] = at
	return w, true, nil
}

// committedBy returns the version with a commit id. It knows those of the newest
// 1000 versions at least, since a checkpoint holds them too. An id matters only to
// a call that is repeated, and an older one is not missed even then: a window that
// was covered stays covered, so each build of a commit that is in the table is
// found settled (as committed, done or superseded) before anybody asks for the id;
// the files of a compaction are gone; and a version that says nothing may be there twice.
// An erasure, which would take what came after it, is found by its fence.
func (s *state) committedBy(id string) (int64, bool) {
	for i, made := range slices.Backward(s.commits) {
		if made == id {
			return s.number - int64(len(s.commits)-1-i), true
		}
	}
	return 0, false
}

// live returns the files of s by path.
func (s *state) live() []offline.File {
	return slices.SortedFunc(maps.Values(s.files), func(a, b offline.File) int { return cmp.Compare(a.Path, b.Path) })
}

// snapshot returns s for callers, who may keep and change it.
func (s *state) snapshot() offline.Snapshot {
	covered := make([]window.Interval, 0, len(s.readAt))
	for start := range s.readAt {
		covered = append(covered, window.Interval{Start: start, End: start.Add(s.spec.Step)})
	}
	return offline.Snapshot{
		Version: s.number,
		Files:   s.live(),
		ReadAt:  maps.Clone(s.readAt),
		Covered: window.NewSet(covered...),
		Fence:   s.fence,
	}
}

// changes returns copies of what the versions in (after, upTo] did, which are remembered.
func (s *state) changes(after, upTo int64) []offline.Change {
	out := make([]offline.Change, 0, upTo-after)
	for _, e := range s.past[after-s.oldest() : upTo-s.oldest()] {
		c := e.change
		c.Windows, c.Added, c.Removed = slices.Clone(c.Windows), slices.Clone(c.Added), slices.Clone(c.Removed)
		if c.Erased != nil {
			keys := *c.Erased
			c.Erased = &keys
		}
		out = append(out, c)
	}
	return out
}
