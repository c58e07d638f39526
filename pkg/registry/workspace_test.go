package registry_test

import (
	"context"
	"errors"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tilery/tilery/pkg/bucket"
	"github.com/tilery/tilery/pkg/registry"
)

func kindOf(t *testing.T, r *registry.Registry, name string) bool {
	t.Helper()
	w, err := r.Workspace(t.Context(), name)
	require.NoError(t, err)
	require.Equal(t, name, w.Name)
	return w.Live
}

func TestProdIsLiveAndOthersAreForDevelopment(t *testing.T) {
	t.Parallel()
	r := registry.New(open(t))
	require.True(t, kindOf(t, r, "prod"))
	require.False(t, kindOf(t, r, "staging"))
	_, err := r.Workspace(t.Context(), "No!")
	require.ErrorIs(t, err, registry.ErrWorkspace)

	for name, live := range map[string]bool{"staging": true, "mine": false, "prod": true} {
		for range 2 { // again is no mistake
			w, err := r.CreateWorkspace(t.Context(), name, live)
			require.NoError(t, err)
			require.Equal(t, registry.Workspace{Name: name, Live: live}, w)
			require.Equal(t, live, kindOf(t, r, name))
		}
		_, err := r.CreateWorkspace(t.Context(), name, !live)
		require.ErrorIs(t, err, registry.ErrExists, name)
		require.Equal(t, live, kindOf(t, r, name))
	}
}

func TestAWorkspaceThatHasDefinitionsKeepsItsKind(t *testing.T) {
	t.Parallel()
	r := registry.New(open(t))
	_, err := r.Apply(t.Context(), "mine", 0, named("e"), now)
	require.NoError(t, err)
	_, err = r.CreateWorkspace(t.Context(), "mine", true)
	require.ErrorIs(t, err, registry.ErrExists)
	require.EqualError(t, err, "workspace mine: exists already, as a development workspace that has definitions")
	_, err = r.CreateWorkspace(t.Context(), "mine", false)
	require.NoError(t, err)
	require.False(t, kindOf(t, r, "mine"))
}

func TestOfTwoThatCreateAWorkspaceOneDecides(t *testing.T) {
	t.Parallel()
	b := open(t)
	var wait sync.WaitGroup
	var errs [16]error
	for i := range errs {
		wait.Go(func() { _, errs[i] = registry.New(b).CreateWorkspace(t.Context(), "staging", i%2 == 0) })
	}
	wait.Wait()
	live := kindOf(t, registry.New(b), "staging")
	for i, err := range errs {
		if (i%2 == 0) == live {
			require.NoError(t, err)
		} else {
			require.ErrorIs(t, err, registry.ErrExists)
		}
	}
}

func TestWorkspacesAreListed(t *testing.T) {
	t.Parallel()
	r := registry.New(open(t))
	list := func() []registry.Workspace {
		out, err := r.ListWorkspaces(t.Context())
		require.NoError(t, err)
		return out
	}
	require.Equal(t, []registry.Workspace{{Name: "prod", Live: true}}, list())
	_, err := r.CreateWorkspace(t.Context(), "staging", true)
	require.NoError(t, err)
	for _, name := range []string{"a", "prod", "staging"} {
		_, err = r.Apply(t.Context(), name, 0, named("e"), now)
		require.NoError(t, err)
	}
	_, err = r.CreateWorkspace(t.Context(), "empty", false)
	require.NoError(t, err)
	require.Equal(t, []registry.Workspace{{Name: "a"}, {Name: "empty"}, {Name: "prod", Live: true}, {Name: "staging", Live: true}}, list())

	applied, err := r.Workspaces(t.Context())
	require.NoError(t, err)
	require.Equal(t, []string{"a", "prod", "staging"}, applied, "a workspace without definitions has nothing to reconcile")
}

func TestWorkspacesThatCannotBeReadAreErrors(t *testing.T) {
	t.Parallel()
	b := open(t)
	for name, content := range map[string]string{"torn": `{"format":`, "newer": `{"format":2,"name":"newer"}`, "moved": `{"format":1,"name":"other","live":true}`} {
		require.NoError(t, b.Put(t.Context(), "registry/"+name+"/workspace.json", []byte(content)))
		_, err := registry.New(b).Workspace(t.Context(), name)
		require.ErrorContains(t, err, "decode registry/"+name+"/workspace.json: ")
	}
	away := errors.New("bucket is away")
	_, err := registry.New(unreadable{b, away}).Workspace(t.Context(), "mine")
	require.ErrorIs(t, err, away, "what cannot be read is not taken for a development workspace")
}

type unreadable struct {
	bucket.Bucket
	err error
}

// Get implements bucket.Bucket.
func (u unreadable) Get(context.Context, string) ([]byte, error) { return nil, u.err }
