package forget

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/tilery/tilery/pkg/bucket"
	"github.com/tilery/tilery/pkg/feature"
	"github.com/tilery/tilery/pkg/keyset"
	"github.com/tilery/tilery/pkg/window"
)

var (
	// ErrNotFound is a fence that is not there, or was lifted.
	ErrNotFound = errors.New("no such fence")
	// ErrTooMany is a fence past those that a view may have.
	ErrTooMany = errors.New("too many fences: lift some")
	// ErrDamaged is a fence that cannot be read. Jobs of its view fail until it is lifted.
	ErrDamaged = errors.New("damaged fence")
)

// Bounds of a view's fences.
const (
	maxFences = 1000
	maxKeys   = 2_000_000
)

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

// Store keeps fences in a bucket. It is safe for concurrent use, also by several
// processes, and must not be copied.
type Store struct {
	Bucket bucket.Bucket

	mu     sync.Mutex
	recent []*loaded // the latest used last
}

// format of a document.
const format = 1

type document struct {
	Format int `json:"format"`
	Fence
}

const (
	documentSuffix = ".json"
	keysSuffix     = ".keys"
)

var nameForm = regexp.MustCompile(`^[A-Za-z0-9_-]{1,128}$`)

func folder(workspace, view string) string { return "forget/" + workspace + "/" + view + "/" }

func (f Fence) key() string { return folder(f.Workspace, f.View) + f.ID }

func checkNames(names ...string) error {
	for _, name := range names {
		if !nameForm.MatchString(name) {
			return fmt.Errorf("fence: %q is not the name of a workspace, a view or a job", name)
		}
	}
	return nil
}

// Put adds a fence; putting it again is a success. Count and Digest are those of keys,
// and a PutAt of zero is now. ErrTooMany past the bounds of a view.
func (s *Store) Put(ctx context.Context, f Fence, keys *keyset.Hashed) error {
	if err := checkNames(f.Workspace, f.View, f.ID); err != nil {
		return err
	}
	encoded := keys.Encode()
	f.Count, f.Digest = keys.Len(), keys.Digest()
	f.PutAt = cmp.Or(f.PutAt, window.FromTime(time.Now()))
	there, err := s.List(ctx, f.Workspace, f.View)
	if err != nil {
		return err
	}
	held := f.Count
	for _, other := range there {
		if other.ID == f.ID {
			return f.same(other)
		}
		held += other.Count
	}
	if len(there) >= maxFences || held > maxKeys {
		return fmt.Errorf("%w: view %s of workspace %s has %d, and %d keys with this one, at most %d and %d are allowed",
			ErrTooMany, f.View, f.Workspace, len(there), held, maxFences, maxKeys)
	}
	data, err := json.Marshal(document{format, f})
	if err != nil {
		return fmt.Errorf("encode fence %s: %w", f.ID, err)
	}
	if err := s.Bucket.Put(ctx, f.key()+keysSuffix, encoded); err != nil {
		return fmt.Errorf("put the keys of fence %s: %w", f.ID, err)
	}
	err = s.Bucket.PutIfAbsent(ctx, f.key()+documentSuffix, data)
	if errors.Is(err, bucket.ErrExists) {
		other, err := s.read(ctx, f.key()+documentSuffix)
		if err != nil {
			return err
		}
		return f.same(other)
	}
	if err != nil {
		return fmt.Errorf("put fence %s: %w", f.ID, err)
	}
	return nil
}

// same returns an error unless a fence of this one's name is this one.
func (f Fence) same(other Fence) error {
	if f.Until != other.Until || f.Digest != other.Digest || !slices.Equal(f.Keys, other.Keys) {
		return fmt.Errorf("fence %s of %s is there with other keys or another time", f.ID, f.View)
	}
	return nil
}

// Lift removes a fence and returns it; ErrNotFound. An error after that leaves it
// lifted, with its hashes still there until Sweep.
func (s *Store) Lift(ctx context.Context, workspace, view, id string) (Fence, error) {
	if err := checkNames(workspace, view, id); err != nil {
		return Fence{}, fmt.Errorf("%w: %w", ErrNotFound, err)
	}
	at := folder(workspace, view) + id
	f, err := s.read(ctx, at+documentSuffix)
	if err != nil {
		return Fence{}, err
	}
	for _, suffix := range []string{documentSuffix, keysSuffix} {
		if err := s.Bucket.Delete(ctx, at+suffix); err != nil {
			return Fence{}, fmt.Errorf("lift fence %s: %w", id, err)
		}
	}
	return f, nil
}

func (s *Store) read(ctx context.Context, key string) (Fence, error) {
	data, err := s.Bucket.Get(ctx, key)
	if errors.Is(err, bucket.ErrNotFound) {
		return Fence{}, fmt.Errorf("%s: %w", key, ErrNotFound)
	}
	if err != nil {
		return Fence{}, fmt.Errorf("read %s: %w", key, err)
	}
	var d document
	decoder := json.NewDecoder(bytes.NewReader(data))
	decoder.DisallowUnknownFields() // of a later version, whose meaning is not known
	if err := decoder.Decode(&d); err != nil {
		return Fence{}, fmt.Errorf("%w: decode %s: %w", ErrDamaged, key, err)
	}
	if d.Format != format || d.key()+documentSuffix != key {
		return Fence{}, fmt.Errorf("%w: %s has format %d and is of %s", ErrDamaged, key, d.Format, d.key())
	}
	return d.Fence, nil
}

// List returns the fences of a view, the oldest first.
func (s *Store) List(ctx context.Context, workspace, view string) ([]Fence, error) {
	infos, err := s.documents(ctx, workspace, view)
	if err != nil {
		return nil, err
	}
	out := make([]Fence, 0, len(infos))
	for _, info := range infos {
		f, err := s.read(ctx, info.Key)
		if errors.Is(err, ErrNotFound) {
			continue // lifted meanwhile
		}
		if err != nil {
			return nil, err
		}
		out = append(out, f)
	}
	slices.SortFunc(out, func(a, b Fence) int { return cmp.Or(cmp.Compare(a.PutAt, b.PutAt), cmp.Compare(a.ID, b.ID)) })
	return out, nil
}

// documents lists those of a view, in order of their keys.
func (s *Store) documents(ctx context.Context, workspace, view string) ([]bucket.Info, error) {
	if err := checkNames(workspace, view); err != nil {
		return nil, err
	}
	var out []bucket.Info
	for info, err := range s.Bucket.List(ctx, folder(workspace, view), "") {
		if err != nil {
			return nil, fmt.Errorf("list fences of %s in %s: %w", view, workspace, err)
		}
		if strings.HasSuffix(info.Key, documentSuffix) {
			out = append(out, info)
		}
	}
	return out, nil
}

// Sweep removes what was put before a time, which is longer ago than a Put takes: fences
// of which orphaned says so, and hashes without a document, which a Lift or a Put left
// that failed. removed counts objects.
func (s *Store) Sweep(ctx context.Context, workspace string, before time.Time, orphaned func(view, id string) (bool, error)) (removed int64, err error) {
	if err := checkNames(workspace); err != nil {
		return 0, err
	}
	prefix := "forget/" + workspace + "/"
	last := "" // key of a document that stays; its hashes come next
	for info, err := range s.Bucket.List(ctx, prefix, "") {
		if err != nil {
			return removed, fmt.Errorf("list fences of %s: %w", workspace, err)
		}
		name, hashes := strings.CutSuffix(info.Key, keysSuffix)
		drop := info.ModTime.Before(before)
		switch {
		case hashes:
			drop = drop && name+documentSuffix != last
		case drop:
			view, id, _ := strings.Cut(strings.TrimSuffix(strings.TrimPrefix(info.Key, prefix), documentSuffix), "/")
			if drop, err = orphaned(view, id); err != nil {
				return removed, fmt.Errorf("sweep fence %s of %s: %w", id, view, err)
			}
		}
		if !drop {
			last = info.Key
			continue
		}
		if err := s.Bucket.Delete(ctx, info.Key); err != nil {
			return removed, fmt.Errorf("remove what is left of a fence: %w", err)
		}
		removed++
	}
	return removed, nil
}
