package delta

import (
	"slices"

	"github.com/tilery/tilery/pkg/window"
)

// unsettled is the time of a removal by the newest version, in whole milliseconds as
// checkpoints have it. A version says when it was planned; its writer may have stood
// still before he put it, so that readers needed the file for longer. The next
// version shows until when: it was planned after this one was there. Until there is
// one the store's time of the object must do.
var unsettled = window.MaxTime / 1000 * 1000

// bury notes that the version being applied removes a file.
func (s *state) bury(path string) {
	s.tombstones[path] = unsettled
	s.fresh = append(slices.Clip(s.fresh), path)
}

// settle gives the files that were removed before the version being applied the
// time at which that was planned.
func (s *state) settle(planned window.Time) {
	if planned == 0 {
		return // another program's, that does not say
	}
	for _, path := range s.fresh {
		if _, dead := s.tombstones[path]; dead {
			s.tombstones[path] = planned
		}
	}
	s.fresh = nil
}

// exhume notes the tombstones that a checkpoint holds without a time.
func (s *state) exhume() {
	for path, removed := range s.tombstones {
		if removed == unsettled {
			s.fresh = append(s.fresh, path)
		}
	}
}
