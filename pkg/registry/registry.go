package registry

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"sync"

	"github.com/tilery/tilery/pkg/bucket"
	"github.com/tilery/tilery/pkg/feature"
	"github.com/tilery/tilery/pkg/window"
)

var (
	// ErrNotFound is a workspace that nothing was ever applied to, or a generation that is not there.
	ErrNotFound = errors.New("not found in the registry")
	// ErrConflict is a change whose base is no longer the newest generation.
	ErrConflict = errors.New("the workspace has changed since: something was applied, or a store that was filled began to serve")
	// ErrWorkspace is a name that cannot be a workspace.
	ErrWorkspace = errors.New("bad workspace name")
	// ErrExists is a workspace that cannot be created since it is there, of another kind.
	ErrExists = errors.New("exists already")
)

// Formats of the documents that this package writes; it reads no newer ones.
const (
	format          = 1
	workspaceFormat = 1
)

// Generation is one applied state of a workspace.
type Generation struct {
	Format    int         `json:"format"`
	Workspace string      `json:"workspace"`
	Number    int64       `json:"generation"` // from 1, without gaps
	ID        string      `json:"id"`         // unique to the call that wrote it
	AppliedAt window.Time `json:"applied_at"` // product time
	// Switched is the view whose store the generation switched, with the definitions
	// as they were; empty if it was applied.
	Switched string                `json:"switched,omitempty"`
	Objects  []Object              `json:"objects,omitempty"`
	Stores   map[string]ViewStores `json:"stores,omitempty"` // by view
	// Removed are the names, view/fingerprint, of stores that were removed. None of
	// them is ever used again, so what is below them may be deleted at any time.
	Removed []string `json:"removed,omitempty"`

	feature.Repository
}

// Registry reads and writes generations. It is safe for concurrent use.
type Registry struct {
	bucket bucket.Bucket

	mu    sync.Mutex
	known map[string]int64 // by workspace: the newest generation that was seen
}

// New returns the registry in b.
func New(b bucket.Bucket) *Registry { return &Registry{bucket: b, known: map[string]int64{}} }

var workspaceForm = regexp.MustCompile(`^[a-z][a-z0-9_-]{0,63}$`)

// CheckWorkspace returns ErrWorkspace for a name that cannot be a workspace.
func CheckWorkspace(name string) error {
	if !workspaceForm.MatchString(name) {
		return fmt.Errorf("%w %q: want a lower-case letter followed by up to 63 of a-z, 0-9, _ and -", ErrWorkspace, name)
	}
	return nil
}

func prefix(workspace string) string { return "registry/" + workspace + "/" }

func key(workspace string, number int64) string {
	return fmt.Sprintf("%s%019d.json", prefix(workspace), number)
}

// numberOf is key's inverse; it does not know other objects of the workspace.
func numberOf(workspace, objectKey string) (int64, bool) {
	digits, _ := strings.CutSuffix(strings.TrimPrefix(objectKey, prefix(workspace)), ".json")
	number, err := strconv.ParseInt(digits, 10, 64)
	return number, err == nil && number > 0 && objectKey == key(workspace, number)
}

// Latest returns the newest generation, or ErrNotFound.
func (r *Registry) Latest(ctx context.Context, workspace string) (Generation, error) {
	if err := CheckWorkspace(workspace); err != nil {
		return Generation{}, err
	}
	r.mu.Lock()
	known := r.known[workspace]
	r.mu.Unlock()
	newest, err := r.newest(ctx, workspace, known)
	if err != nil {
		return Generation{}, fmt.Errorf("list generations of %s: %w", workspace, err)
	}
	if newest == 0 {
		return Generation{}, fmt.Errorf("workspace %q: %w", workspace, ErrNotFound)
	}
	g, err := r.Get(ctx, workspace, newest)
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case err == nil:
		r.known[workspace] = max(newest, r.known[workspace])
	case errors.Is(err, ErrNotFound):
		delete(r.known, workspace) // the workspace was removed by hand
	}
	return g, err
}

// newest lists the generations after known, which itself is the answer if there
// are none: asking often must not list all that were ever applied.
func (r *Registry) newest(ctx context.Context, workspace string, known int64) (int64, error) {
	after := ""
	if known > 0 {
		after = key(workspace, known)
	}
	for info, err := range r.bucket.List(ctx, prefix(workspace), after) {
		if err != nil {
			return 0, err
		}
		if number, ok := numberOf(workspace, info.Key); ok {
			known = number
		}
	}
	return known, nil
}

// Get returns one generation, or ErrNotFound.
func (r *Registry) Get(ctx context.Context, workspace string, number int64) (Generation, error) {
	if err := CheckWorkspace(workspace); err != nil {
		return Generation{}, err
	}
	if number < 1 {
		return Generation{}, fmt.Errorf("generation %d of %s: %w", number, workspace, ErrNotFound)
	}
	at := key(workspace, number)
	data, err := r.bucket.Get(ctx, at)
	if errors.Is(err, bucket.ErrNotFound) {
		return Generation{}, fmt.Errorf("%s: %w", at, ErrNotFound)
	}
	if err != nil {
		return Generation{}, fmt.Errorf("read %s: %w", at, err)
	}
	g, err := decode(data)
	if err != nil {
		return Generation{}, fmt.Errorf("decode %s: %w", at, err)
	}
	if g.Workspace != workspace || g.Number != number {
		return Generation{}, fmt.Errorf("decode %s: the object holds generation %d of workspace %q", at, g.Number, g.Workspace)
	}
	return g, nil
}

func decode(data []byte) (Generation, error) {
	var header struct {
		Format int `json:"format"`
	}
	if err := json.Unmarshal(data, &header); err != nil {
		return Generation{}, err
	}
	if header.Format != format {
		return Generation{}, fmt.Errorf("format %d is not known to this version of tilery", header.Format)
	}
	var g Generation
	err := json.Unmarshal(data, &g)
	return g, err
}

// Apply writes repository, which must be valid, as the generation after base (0:
// the first). When base is no longer the newest, it changes nothing and returns
// ErrConflict; ErrNotFound, when base was never applied. After bucket.ErrUnknown
// the generation may have been written: plan again to see.
func (r *Registry) Apply(ctx context.Context, workspace string, base int64, repository feature.Repository, now window.Time) (Generation, error) {
	kind, err := r.Workspace(ctx, workspace)
	if err != nil {
		return Generation{}, err
	}
	var before Generation
	if base != 0 {
		if before, err = r.Get(ctx, workspace, base); err != nil {
			return Generation{}, fmt.Errorf("apply on generation %d: %w", base, err)
		}
	}
	g := Generation{Format: format, Workspace: workspace, Number: base + 1, AppliedAt: now, Removed: before.Removed, Repository: repository}
	g.Objects = objects(workspace, &before, &repository, now)
	g.Stores, err = stores(&before, &repository, g.Number, kind.Live)
	if err == nil {
		err = r.put(ctx, &g)
	}
	if err != nil {
		return Generation{}, fmt.Errorf("apply on generation %d of %s: %w", base, workspace, err)
	}
	return g, nil
}

// put gives a generation an id and writes it if its number is free.
func (r *Registry) put(ctx context.Context, g *Generation) error {
	g.ID = rand.Text()
	data, err := json.MarshalIndent(g, "", " ")
	if err != nil {
		return fmt.Errorf("encode generation %d: %w", g.Number, err)
	}
	err = bucket.Claim(ctx, r.bucket, key(g.Workspace, g.Number), data)
	if errors.Is(err, bucket.ErrExists) {
		return ErrConflict
	}
	return err
}
