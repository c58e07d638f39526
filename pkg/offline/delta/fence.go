package delta

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/tilery/tilery/pkg/bucket"
	"github.com/tilery/tilery/pkg/keyset"
	"github.com/tilery/tilery/pkg/offline"
	"github.com/tilery/tilery/pkg/window"
)

// fenceID is the application id of erasures; its version counts them. Each has a
// transaction "fence/<n>/<version>/<object>/<commit id>" besides, whose own version is the
// number of columns that a key has: the object, below the table's folder, holds the
// keys' hashes.
const fenceID = "fence"

// fenceFolder is where the hashes lie, relative to the table.
const fenceFolder = "_fences/"

// fenceForm is the form of a fence's object, relative to the table; the first group is
// the upload's time. A set that is erased again is another object, so that a vacuum
// that takes the old one takes nothing that is about to be named.
var fenceForm = regexp.MustCompile(`^` + fenceFolder + `([0-9]+)-[0-9a-f]{64}$`)

// fence is an erasure, as builds that began before it need it.
type fence struct {
	number  int64
	version int64  // of the erasure
	object  string // relative to the table
	commit  string // id of the erasure
	fields  int    // columns of a key
	at      window.Time
}

func (f fence) txn() transaction {
	id := fmt.Sprintf("%s/%d/%d/%s/%s", fenceID, f.number, f.version, strings.TrimPrefix(f.object, fenceFolder), f.commit)
	return transaction{AppID: id, Version: int64(f.fields), LastUpdated: f.at.Time().UnixMilli()}
}

// applyFence takes a transaction of an erasure; false: it is none.
func (s *state) applyFence(x transaction) (taken bool, err error) {
	if x.AppID == fenceID {
		if x.Version <= s.fence {
			return true, fmt.Errorf("%w: fence %d follows %d", offline.ErrCorrupt, x.Version, s.fence)
		}
		s.fence = x.Version
		return true, nil
	}
	text, taken := strings.CutPrefix(x.AppID, fenceID+"/")
	if !taken {
		return false, nil
	}
	f, err := parseFence(text, x)
	switch last := len(s.fences) - 1; {
	case err != nil, x.Version < 1, x.Version > int64(len(s.spec.Keys)), f.version < 1, f.version > s.number,
		f.number < 1, f.number > s.fence, last >= 0 && f.number <= s.fences[last].number:
		return true, fmt.Errorf("%w: transaction %q, version %d, at fence %d", offline.ErrCorrupt, x.AppID, x.Version, s.fence)
	}
	s.fences = append(slices.Clip(s.fences), f)
	return true, nil
}

// parseFence is the inverse of txn, of which text is what follows the first slash.
func parseFence(text string, x transaction) (fence, error) {
	parts := append(strings.SplitN(text, "/", 4), "", "", "")
	f := fence{object: fenceFolder + parts[2], commit: parts[3], fields: int(x.Version), at: timeOfMillis(x.LastUpdated)}
	if !fenceForm.MatchString(f.object) {
		return f, fmt.Errorf("%q is no object of a fence", f.object)
	}
	var badNumber, badVersion error
	f.number, badNumber = strconv.ParseInt(parts[0], 10, 64)
	f.version, badVersion = strconv.ParseInt(parts[1], 10, 64)
	return f, errors.Join(badNumber, badVersion)
}

// erasedBy returns the version of the erasure with a commit id. It is known for as long
// as its fence is, and like other ids.
func (s *state) erasedBy(id string) (int64, bool) {
	for _, f := range s.fences {
		if f.commit == id {
			return f.version, true
		}
	}
	return s.committedBy(id)
}

// lastingFences returns the fences that are not before the horizon. Builds that began
// before a fence that is gone are stale.
func (s *state) lastingFences(h horizon) []fence {
	n := 0
	for n < len(s.fences) && s.fences[n].at < h.removed {
		n++
	}
	return s.fences[n:]
}

// fencedBy reports whether an object holds the keys of a fence.
func (s *state) fencedBy(object string) bool {
	return slices.ContainsFunc(s.fences, func(f fence) bool { return f.object == object })
}

// fencesAfter returns the erasures after a fence; false: not all are known any more.
func (s *state) fencesAfter(number int64) ([]fence, bool) {
	n := 0
	for n < len(s.fences) && s.fences[n].number <= number {
		n++
	}
	after := s.fences[n:]
	return after, int64(len(after)) == s.fence-number
}

// putFence uploads the hashes of keys and returns the object's name.
func (t *table) putFence(ctx context.Context, keys *keyset.Hashed) (object string, at window.Time, err error) {
	at = window.FromTime(t.opts.Now())
	object = fmt.Sprintf("%s%d-%s", fenceFolder, int64(at), keys.Digest())
	err = bucket.Claim(ctx, t.bucket, t.spec.Path+"/"+object, keys.Encode())
	if err != nil && !errors.Is(err, bucket.ErrExists) { // what is there has the same digest
		return "", 0, fmt.Errorf("put fence: %w", err)
	}
	return object, at, nil
}

// maxFenceKeys bounds the keys of the fences that a table remembers.
const maxFenceKeys = 2 * keyset.MaxKeys

// fenceSets remembers the keys of fences.
type fenceSets struct {
	mu   sync.Mutex
	sets map[string]*keyset.Hashed // by object
	keys int
}

// loadFence returns the keys of a fence. One that was vacuumed is ErrFenceGone: no build
// that needs it may be committed any more.
func (t *table) loadFence(ctx context.Context, f fence) (*keyset.Hashed, error) {
	t.fences.mu.Lock()
	keys, known := t.fences.sets[f.object]
	t.fences.mu.Unlock()
	if known {
		return keys, nil
	}
	data, err := t.bucket.Get(ctx, t.spec.Path+"/"+f.object)
	if errors.Is(err, bucket.ErrNotFound) {
		return nil, fmt.Errorf("%w: %w", offline.ErrFenceGone, err)
	}
	if err != nil {
		return nil, fmt.Errorf("read fence: %w", err)
	}
	if keys, err = keyset.DecodeHashed(data); err != nil {
		return nil, fmt.Errorf("%w: %s: %w", offline.ErrCorrupt, f.object, err)
	}
	t.fences.remember(f.object, keys)
	return keys, nil
}

func (c *fenceSets) remember(object string, keys *keyset.Hashed) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.sets == nil || c.keys+keys.Len() > maxFenceKeys {
		c.sets, c.keys = map[string]*keyset.Hashed{}, 0
	}
	if c.sets[object] == nil {
		c.keys += keys.Len()
	}
	c.sets[object] = keys
}

// fenced returns b without the rows of keys that were erased after its fence. It is
// stale when what was erased is not known any more.
func (p *planner) fenced(ctx context.Context, s *state, b offline.Build) (offline.Build, error) {
	if b.Fence == s.fence {
		return b, nil
	}
	fences, known := s.fencesAfter(b.Fence)
	if !known {
		return b, fmt.Errorf("%w: fence %d of %d", offline.ErrFenceGone, b.Fence+1, s.fence)
	}
	out := b
	out.Files, out.Rows, out.Bytes = nil, 0, 0
	for _, f := range b.Files {
		rest, err := p.copy(ctx, f, fmt.Sprint(f.Path, " after ", b.Fence, " at ", s.fence), func() (rowFilter, error) {
			return p.table.fenceFilter(ctx, fences)
		})
		if err != nil {
			return b, fmt.Errorf("take erased keys out of file %s: %w", f.Path, err)
		}
		if rest.whole {
			rest.file = &f
		}
		if rest.file != nil {
			out.Files = append(out.Files, *rest.file)
			out.Rows += rest.file.Rows
			out.Bytes += rest.file.Size
		}
	}
	return out, nil
}
