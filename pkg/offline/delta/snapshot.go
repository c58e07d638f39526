package delta

import (
	"cmp"
	"fmt"
	"maps"
	"slices"

	"github.com/tilery/tilery/pkg/offline"
	"github.com/tilery/tilery/pkg/window"
)

// state is a table at a version. It is never changed once it was handed out.
type state struct {
	spec   offline.Spec // with the partition of the table, once there is one
	number int64        // of the version; -1: there is no table
	files  map[string]offline.File
	readAt map[window.Time]window.Time
	fence  int64
	past   []entry // by version, from 0
}

// entry is what is remembered of a version.
type entry struct {
	commitID string
	change   offline.Change
}

func newState(spec offline.Spec) *state {
	return &state{spec: spec, number: -1, files: map[string]offline.File{}, readAt: map[window.Time]window.Time{}}
}

// clone returns a state to apply versions to. past is shared: it only grows, and
// histories are advanced one at a time, from the state that was installed last.
func (s *state) clone() *state {
	next := *s
	next.files = maps.Clone(s.files)
	next.readAt = maps.Clone(s.readAt)
	return &next
}

// apply moves s to the next version. After an error s is useless.
func (s *state) apply(l *layout, v *version) error {
	if v.number != s.number+1 {
		return fmt.Errorf("%w: version %d follows %d", offline.ErrCorrupt, v.number, s.number)
	}
	if v.number == 0 && (v.protocol == nil || v.metaData == nil) {
		return fmt.Errorf("%w: the first version does not describe a table", offline.ErrCorrupt)
	}
	if v.protocol != nil {
		if err := v.protocol.supported(); err != nil {
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
	if v.info != nil && v.info.Tilery != nil {
		made.commitID = v.info.Tilery.CommitID
		made.change.Online = v.info.Tilery.Online
	}
	for _, step := range []func(*version, *offline.Change) error{s.applyRemoves, s.applyAdds, s.applyTxns} {
		if err := step(v, &made.change); err != nil {
			return err
		}
	}
	s.past = append(s.past, made)
	return nil
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
	s.spec.Partition = partition
	return nil
}

func (s *state) applyRemoves(v *version, change *offline.Change) error {
	for _, r := range v.removes {
		f, live := s.files[r.Path]
		if !live {
			return fmt.Errorf("%w: removed file %s is not live", offline.ErrCorrupt, r.Path)
		}
		delete(s.files, r.Path)
		change.Removed = append(change.Removed, f)
	}
	return nil
}

func (s *state) applyAdds(v *version, change *offline.Change) error {
	for _, a := range v.adds {
		f, err := a.file(s.spec)
		if err != nil {
			return err
		}
		if _, live := s.files[f.Path]; live {
			return fmt.Errorf("%w: file %s is added twice", offline.ErrCorrupt, f.Path)
		}
		if f.Seq < 0 || f.Seq > v.number {
			return fmt.Errorf("%w: file %s has sequence number %d", offline.ErrCorrupt, f.Path, f.Seq)
		}
		s.files[f.Path] = f
		change.Added = append(change.Added, f)
	}
	return nil
}

func (s *state) applyTxns(v *version, change *offline.Change) error {
	for _, x := range v.txns {
		if x.AppID == fenceID {
			s.fence = x.Version
			continue
		}
		w, ok, err := x.window(s.spec)
		if err != nil {
			return err
		}
		if !ok {
			continue
		}
		at := window.Time(x.Version)
		if before, covered := s.readAt[w.Start]; covered && at <= before {
			return fmt.Errorf("%w: window %v read at %v is replaced by one read at %v", offline.ErrCorrupt, w, before, at)
		}
		s.readAt[w.Start] = at
		change.Windows = append(change.Windows, w)
	}
	return nil
}

// committedBy returns the version with a commit id.
func (s *state) committedBy(id string) (int64, bool) {
	i := slices.IndexFunc(s.past, func(e entry) bool { return e.commitID == id })
	return int64(i), i >= 0
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

// changes returns copies of what the versions in (after, upTo] did.
func (s *state) changes(after, upTo int64) []offline.Change {
	out := make([]offline.Change, 0, upTo-after)
	for _, e := range s.past[after+1 : upTo+1] {
		c := e.change
		c.Windows, c.Added, c.Removed = slices.Clone(c.Windows), slices.Clone(c.Added), slices.Clone(c.Removed)
		out = append(out, c)
	}
	return out
}
