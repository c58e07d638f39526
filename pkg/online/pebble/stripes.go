package pebble

import (
	"hash/maphash"
	"slices"
	"sync"
)

// stripeCount is such that calls of a few writes seldom wait for each other;
// calls of thousands always do, and are bound by the disk anyway.
const stripeCount = 4096

// stripes are locks that keys share by hash.
type stripes struct {
	seed  maphash.Seed
	locks [stripeCount]sync.Mutex
}

func newStripes() *stripes { return &stripes{seed: maphash.MakeSeed()} }

// lock locks keys and returns what unlocks them. All callers lock in the same
// order, so none waits in a circle.
func (s *stripes) lock(keys [][]byte) (unlock func()) {
	held := make([]int, len(keys))
	for i, key := range keys {
		held[i] = int(maphash.Bytes(s.seed, key) % stripeCount)
	}
	slices.Sort(held)
	held = slices.Compact(held)
	for _, i := range held {
		s.locks[i].Lock()
	}
	return func() {
		for _, i := range held {
			s.locks[i].Unlock()
		}
	}
}

// lockAll locks every key, in the order of lock.
func (s *stripes) lockAll() (unlock func()) {
	for i := range s.locks {
		s.locks[i].Lock()
	}
	return func() {
		for i := range s.locks {
			s.locks[i].Unlock()
		}
	}
}
