package host

import (
	"time"

	"google.golang.org/grpc"

	"github.com/tilery/tilery/pkg/bucket"
	"github.com/tilery/tilery/pkg/online"
)

// Hooks let tests stand between a host and what it calls. What they put there is
// inside the time limits of calls. The zero value changes nothing.
type Hooks struct {
	Bucket   func(bucket.Bucket) bucket.Bucket
	Online   func(online.Store) online.Store
	Temporal []grpc.DialOption // of the client: interceptors see each attempt of a call
	// Now is real time for the ages of tables and of deletions; nil: time.Now. Weeks pass by it.
	Now func() time.Time
}

func (h Hooks) bucket(b bucket.Bucket) bucket.Bucket {
	if h.Bucket == nil {
		return b
	}
	return h.Bucket(b)
}

func (h Hooks) online(s online.Store) online.Store {
	if h.Online == nil {
		return s
	}
	return h.Online(s)
}
