// Package forget keeps the fences that hold deleted keys back: until one is lifted, no
// job materializes or ingests a row of its keys whose time is before the fence's.
//
// A fence is a document with the hashes of its keys beside it, so it names no key. It is
// put before the deletion that it belongs to commits, and read after the build of a
// window or a frame has taken the table's fence: a build either sees it, or is older
// than the deletion, and then the commit leaves the keys out.
package forget

import (
	"context"
	"errors"

	"github.com/tilery/tilery/pkg/bucket"
	"github.com/tilery/tilery/pkg/feature"
	"github.com/tilery/tilery/pkg/keyset"
	"github.com/tilery/tilery/pkg/window"
)

// ErrNotFound is a fence that is not there, or was lifted.
var ErrNotFound = errors.New("no such fence")

// Fence holds back the rows of keys before a time.
type Fence struct {
	Workspace string          `json:"workspace"`
	View      string          `json:"view"`
	ID        string          `json:"id"`     // of the deletion job that put it
	Keys      []feature.Field `json:"keys"`   // join keys; a view with others is not held back
	Until     window.Time     `json:"until"`  // exclusive
	Count     int             `json:"count"`  // of keys
	Digest    string          `json:"digest"` // of the hashed set
	PutAt     window.Time     `json:"put_at"` // real time
}

// Store keeps fences in a bucket, below forget/<workspace>/<view>/.
type Store struct{ Bucket bucket.Bucket }

// Put adds a fence; putting it again is a success.
func (s *Store) Put(ctx context.Context, f Fence, keys *keyset.Hashed) error { panic("todo") }

// Lift removes a fence and returns it; ErrNotFound.
func (s *Store) Lift(ctx context.Context, workspace, view, id string) (Fence, error) { panic("todo") }

// List returns the fences of a view, the oldest first.
func (s *Store) List(ctx context.Context, workspace, view string) ([]Fence, error) { panic("todo") }

// Load returns what holds back rows of a view with these join keys; nil: nothing does.
func (s *Store) Load(ctx context.Context, workspace, view string, keys []feature.Field) (*Filter, error) {
	panic("todo")
}

// Filter tells which rows are held back. It is immutable. A nil Filter holds back none.
type Filter struct{}

// Drops reports whether a row of the encoded key and time is held back.
func (f *Filter) Drops(key []byte, at window.Time) bool { panic("todo") }
