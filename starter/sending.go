package main

import (
	"fmt"
	"io"
	"sync"
	"time"
)

// sending shows on a terminal how much of a file is sent, and then how long there
// has been no answer.
type sending struct {
	r    io.Reader
	size int64 // -1: not known
	bar  *progressBar
	then string // what is waited for when all is sent

	mu    sync.Mutex
	sent  int64
	all   bool      // there is no more to send
	since time.Time // of the last byte
	stop  chan struct{}
	ended sync.WaitGroup
}

// newSending starts to show it if there is a terminal; the caller calls done.
func newSending(r io.Reader, size int64, then string, bar *progressBar) *sending {
	s := &sending{r: r, size: size, bar: bar, then: then, since: time.Now(), stop: make(chan struct{})}
	if bar.terminal {
		s.ended.Go(s.show)
	}
	return s
}

func (s *sending) Read(p []byte) (int, error) {
	n, err := s.r.Read(p)
	s.mu.Lock()
	defer s.mu.Unlock()
	if n > 0 {
		s.sent, s.since = s.sent+int64(n), time.Now()
	}
	s.all = err != nil || s.sent == s.size
	return n, err
}

func (s *sending) show() {
	tick := time.NewTicker(200 * time.Millisecond)
	defer tick.Stop()
	for {
		s.bar.draw(s.text(time.Now()))
		select {
		case <-s.stop:
			s.bar.done()
			return
		case <-tick.C:
		}
	}
}

func (s *sending) text(now time.Time) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.all:
		return fmt.Sprintf("sent %.1f MB, %s: %v", megabytes(s.sent), s.then, now.Sub(s.since).Truncate(time.Second))
	case s.size < 0:
		return fmt.Sprintf("sent %.1f MB", megabytes(s.sent))
	}
	return fmt.Sprintf("sent %.1f of %.1f MB", megabytes(s.sent), megabytes(s.size))
}

func (s *sending) done() {
	close(s.stop)
	s.ended.Wait()
}

func megabytes(n int64) float64 { return float64(n) / 1e6 }
