package registry

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/tilery/tilery/pkg/bucket"
)

// Production is the workspace that is there, and live, without being created.
const Production = "prod"

// Workspace says what a workspace is for.
type Workspace struct {
	Name string `json:"name"`
	// Live workspaces materialize. In all others, development workspaces, definitions
	// are planned, applied and described, and no job and no schedule is ever made.
	Live bool `json:"live"`
}

// workspaceDocument is the content of registry/<workspace>/workspace.json. It is
// put once: a workspace never changes its kind.
type workspaceDocument struct {
	Format int `json:"format"`
	Workspace
}

func workspaceKey(name string) string { return prefix(name) + "workspace.json" }

// Workspace returns what kind a workspace is of. One that nobody created is a
// development workspace, except Production.
func (r *Registry) Workspace(ctx context.Context, name string) (Workspace, error) {
	if err := CheckWorkspace(name); err != nil {
		return Workspace{}, err
	}
	if name == Production {
		return Workspace{Name: name, Live: true}, nil
	}
	at := workspaceKey(name)
	data, err := r.bucket.Get(ctx, at)
	if errors.Is(err, bucket.ErrNotFound) {
		return Workspace{Name: name}, nil
	}
	if err != nil {
		return Workspace{}, fmt.Errorf("read %s: %w", at, err)
	}
	var d workspaceDocument
	if err := json.Unmarshal(data, &d); err != nil {
		return Workspace{}, fmt.Errorf("decode %s: %w", at, err)
	}
	if d.Format != workspaceFormat || d.Name != name {
		return Workspace{}, fmt.Errorf("decode %s: format %d of workspace %q, want format %d of %q", at, d.Format, d.Name, workspaceFormat, name)
	}
	return d.Workspace, nil
}

// CreateWorkspace makes a workspace of a kind. Creating it again is a success;
// ErrExists is one that is of the other kind already, as one is that something was
// applied to before it was created.
func (r *Registry) CreateWorkspace(ctx context.Context, name string, live bool) (Workspace, error) {
	w, err := r.Workspace(ctx, name)
	if err != nil {
		return Workspace{}, err
	}
	if live && !w.Live {
		_, err := r.Latest(ctx, name)
		if err == nil {
			return w, fmt.Errorf("workspace %s: %w, as a development workspace that has definitions", name, ErrExists)
		}
		if !errors.Is(err, ErrNotFound) {
			return Workspace{}, err
		}
	}
	switch {
	case name == Production && live:
		return w, nil
	case w.Live && !live:
		return w, fmt.Errorf("workspace %s: %w, as a live workspace", name, ErrExists)
	}
	w.Live = live
	data, err := json.Marshal(workspaceDocument{workspaceFormat, w})
	if err != nil {
		return Workspace{}, fmt.Errorf("encode workspace %s: %w", name, err)
	}
	err = bucket.Claim(ctx, r.bucket, workspaceKey(name), data)
	if errors.Is(err, bucket.ErrExists) {
		return Workspace{}, fmt.Errorf("workspace %s: %w, as one of the other kind", name, ErrExists)
	}
	return w, err
}

// ListWorkspaces returns all that were created or applied to, and Production, in
// the order of their names.
func (r *Registry) ListWorkspaces(ctx context.Context) ([]Workspace, error) {
	names, err := r.names(ctx, func(string, string) bool { return true })
	if err != nil {
		return nil, err
	}
	if !slices.Contains(names, Production) {
		names = append(names, Production)
		slices.Sort(names)
	}
	out := make([]Workspace, len(names))
	for i, name := range names {
		if out[i], err = r.Workspace(ctx, name); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// Workspaces returns the workspaces that something was ever applied to, in order.
func (r *Registry) Workspaces(ctx context.Context) ([]string, error) {
	return r.names(ctx, func(name, key string) bool {
		_, ok := numberOf(name, key)
		return ok
	})
}

// names returns the workspaces with an object that is wanted, in order. It costs
// a listing for each.
func (r *Registry) names(ctx context.Context, wanted func(name, key string) bool) ([]string, error) {
	var out []string
	for after := ""; ; {
		name, err := r.nextName(ctx, after, wanted)
		if err != nil {
			return nil, fmt.Errorf("list workspaces: %w", err)
		}
		if name == "" {
			return out, nil
		}
		out = append(out, name)
		after = "registry/" + name + "0" // the byte after the slash: past all its objects
	}
}

func (r *Registry) nextName(ctx context.Context, after string, wanted func(name, key string) bool) (string, error) {
	for info, err := range r.bucket.List(ctx, "registry/", after) {
		if err != nil {
			return "", err
		}
		name, _, _ := strings.Cut(strings.TrimPrefix(info.Key, "registry/"), "/")
		if CheckWorkspace(name) == nil && wanted(name, info.Key) {
			return name, nil
		}
	}
	return "", nil
}
