package forget

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/tilery/tilery/pkg/bucket"
	"github.com/tilery/tilery/pkg/feature"
	"github.com/tilery/tilery/pkg/keyset"
	"github.com/tilery/tilery/pkg/window"
)

// Filter tells which rows are held back. It is immutable. A nil Filter holds back none.
type Filter struct {
	until  map[keyset.Hash]window.Time // by key: the latest time of its fences
	latest window.Time
}

// Drops reports whether a row of the encoded key and time is held back.
func (f *Filter) Drops(key []byte, at window.Time) bool {
	return f != nil && at < f.latest && at < f.untilOf(key)
}

func (f *Filter) untilOf(key []byte) window.Time {
	until, ok := f.until[keyset.HashOf(key)]
	if !ok {
		return window.MinTime
	}
	return until
}

// loaded is a filter with what it was made of.
type loaded struct {
	workspace, view string
	keys            []feature.Field
	documents       []bucket.Info
	filter          *Filter
}

func (l *loaded) of(workspace, view string, keys []feature.Field) bool {
	return l.workspace == workspace && l.view == view && slices.Equal(l.keys, keys)
}

// maxRecent bounds the filters that are kept for the next jobs, and maxKeys their keys.
const maxRecent = 64

// Load returns what holds back rows of a view with these join keys; nil: nothing does.
// It costs one list as long as no fence comes or goes.
func (s *Store) Load(ctx context.Context, workspace, view string, keys []feature.Field) (*Filter, error) {
	documents, err := s.documents(ctx, workspace, view)
	if err != nil || len(documents) == 0 {
		return nil, err
	}
	if known := s.known(workspace, view, keys); known != nil && slices.Equal(known.documents, documents) {
		return known.filter, nil
	}
	f := &Filter{until: map[keyset.Hash]window.Time{}, latest: window.MinTime}
	for _, d := range documents {
		if err := s.addTo(ctx, f, d.Key, keys); err != nil {
			return nil, err
		}
	}
	if len(f.until) == 0 {
		f = nil
	}
	s.keep(&loaded{workspace, view, slices.Clone(keys), documents, f})
	return f, nil
}

// addTo adds the fence of a document, unless it is one of other join keys or was lifted.
func (s *Store) addTo(ctx context.Context, f *Filter, document string, keys []feature.Field) error {
	fence, err := s.read(ctx, document)
	if errors.Is(err, ErrNotFound) {
		return nil
	}
	if err != nil || !slices.Equal(fence.Keys, keys) {
		return err
	}
	data, err := s.Bucket.Get(ctx, fence.key()+keysSuffix)
	if errors.Is(err, bucket.ErrNotFound) {
		if _, err := s.read(ctx, document); errors.Is(err, ErrNotFound) {
			return nil // lifted between the two
		}
		return fmt.Errorf("%w: fence %s of %s has lost its keys", ErrDamaged, fence.ID, fence.View)
	}
	if err != nil {
		return fmt.Errorf("read the keys of fence %s: %w", fence.ID, err)
	}
	set, err := keyset.DecodeHashed(data)
	if err == nil && set.Digest() != fence.Digest {
		err = errors.New("they are those of another set")
	}
	if err != nil {
		return fmt.Errorf("%w: keys of fence %s of %s: %w", ErrDamaged, fence.ID, fence.View, err)
	}
	for hash := range set.Hashes() {
		until, ok := f.until[hash]
		if !ok || until < fence.Until {
			f.until[hash] = fence.Until
		}
	}
	f.latest = max(f.latest, fence.Until)
	return nil
}

func (s *Store) known(workspace, view string, keys []feature.Field) *loaded {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i, l := range s.recent {
		if l.of(workspace, view, keys) {
			s.recent = append(slices.Delete(s.recent, i, i+1), l)
			return l
		}
	}
	return nil
}

// keep makes room for a filter by dropping those that were not used for the longest.
func (s *Store) keep(l *loaded) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.recent = slices.DeleteFunc(s.recent, func(old *loaded) bool { return old.of(l.workspace, l.view, l.keys) })
	s.recent = append(s.recent, l)
	held, from := 0, len(s.recent)
	for from > 0 && len(s.recent)-from < maxRecent {
		if held += s.recent[from-1].size(); held > maxKeys {
			break
		}
		from--
	}
	s.recent = slices.Delete(s.recent, 0, from)
}

func (l *loaded) size() int {
	if l.filter == nil {
		return 0
	}
	return len(l.filter.until)
}
