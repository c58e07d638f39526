package registry

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"

	"github.com/tilery/tilery/pkg/bucket"
	"github.com/tilery/tilery/pkg/feature"
	"github.com/tilery/tilery/pkg/window"
)

var (
	// ErrNotFound is a workspace that nothing was ever applied to, or a generation that is not there.
	ErrNotFound = errors.New("not found in the registry")
	// ErrConflict is an apply whose base is no longer the newest generation.
	ErrConflict = errors.New("the workspace changed since the plan was made")
	// ErrWorkspace is a name that cannot be a workspace.
	ErrWorkspace = errors.New("bad workspace name")
)

// format of the documents that this package writes; it reads no newer one.
const format = 1

// Generation is one applied state of a workspace.
type Generation struct {
	Format    int         `json:"format"`
	Workspace string      `json:"workspace"`
	Number    int64       `json:"generation"` // from 1, without gaps
	ID        string      `json:"id"`         // unique to the apply that wrote it
	AppliedAt window.Time `json:"applied_at"` // product time

	feature.Repository
}

// Registry reads and writes generations. It is safe for concurrent use.
type Registry struct{ bucket bucket.Bucket }

// New returns the registry in b.
func New(b bucket.Bucket) *Registry { return &Registry{b} }

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

// Latest returns the newest generation, or ErrNotFound.
func (r *Registry) Latest(ctx context.Context, workspace string) (Generation, error) {
	if err := CheckWorkspace(workspace); err != nil {
		return Generation{}, err
	}
	newest := ""
	for info, err := range r.bucket.List(ctx, prefix(workspace), "") {
		if err != nil {
			return Generation{}, fmt.Errorf("list generations of %s: %w", workspace, err)
		}
		newest = info.Key
	}
	if newest == "" {
		return Generation{}, fmt.Errorf("workspace %q: %w", workspace, ErrNotFound)
	}
	return r.read(ctx, newest)
}

// Get returns one generation, or ErrNotFound.
func (r *Registry) Get(ctx context.Context, workspace string, number int64) (Generation, error) {
	if err := CheckWorkspace(workspace); err != nil {
		return Generation{}, err
	}
	return r.read(ctx, key(workspace, number))
}

func (r *Registry) read(ctx context.Context, key string) (Generation, error) {
	data, err := r.bucket.Get(ctx, key)
	if errors.Is(err, bucket.ErrNotFound) {
		return Generation{}, fmt.Errorf("%s: %w", key, ErrNotFound)
	}
	if err != nil {
		return Generation{}, fmt.Errorf("read %s: %w", key, err)
	}
	var g Generation
	if err := json.Unmarshal(data, &g); err != nil {
		return Generation{}, fmt.Errorf("decode %s: %w", key, err)
	}
	if g.Format != format {
		return Generation{}, fmt.Errorf("decode %s: format %d is not known to this version of tilery", key, g.Format)
	}
	return g, nil
}

// Apply writes repository as the generation after base (0: the first). When
// base is no longer the newest, it changes nothing and returns ErrConflict.
func (r *Registry) Apply(ctx context.Context, workspace string, base int64, repository feature.Repository, now window.Time) (Generation, error) {
	if err := CheckWorkspace(workspace); err != nil {
		return Generation{}, err
	}
	if base > 0 {
		if _, err := r.Get(ctx, workspace, base); err != nil {
			return Generation{}, fmt.Errorf("apply on generation %d: %w", base, err)
		}
	}
	g := Generation{Format: format, Workspace: workspace, Number: base + 1, ID: rand.Text(), AppliedAt: now, Repository: repository}
	data, err := json.MarshalIndent(g, "", " ")
	if err != nil {
		return Generation{}, fmt.Errorf("encode generation %d: %w", g.Number, err)
	}
	err = bucket.Claim(ctx, r.bucket, key(workspace, g.Number), data)
	if errors.Is(err, bucket.ErrExists) {
		return Generation{}, fmt.Errorf("apply on generation %d of %s: %w", base, workspace, ErrConflict)
	}
	if err != nil {
		return Generation{}, fmt.Errorf("apply on generation %d of %s: %w", base, workspace, err)
	}
	return g, nil
}
