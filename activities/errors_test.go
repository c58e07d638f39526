package activities_test

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/temporal"

	"github.com/tilery/tilery/activities"
	"github.com/tilery/tilery/pkg/aggregate"
	"github.com/tilery/tilery/pkg/bucket"
	"github.com/tilery/tilery/pkg/erase"
	"github.com/tilery/tilery/pkg/forget"
	"github.com/tilery/tilery/pkg/keyset"
	"github.com/tilery/tilery/pkg/materialize"
	"github.com/tilery/tilery/pkg/offline"
	"github.com/tilery/tilery/pkg/online"
	"github.com/tilery/tilery/pkg/record"
	"github.com/tilery/tilery/pkg/registry"
	"github.com/tilery/tilery/pkg/source"
	"github.com/tilery/tilery/pkg/transform"
)

// retried stands for the absence of a type.
const retried = ""

func TestErrorsAreTranslated(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for _, c := range []struct {
		sentinel error
		want     string
	}{
		{materialize.ErrRange, activities.ErrorInput},
		{registry.ErrWorkspace, activities.ErrorInput},
		{materialize.ErrOverlap, activities.ErrorOverlap},
		{registry.ErrNotFound, activities.ErrorNotFound},
		{transform.ErrSQL, activities.ErrorSQL},
		{record.ErrKey, activities.ErrorSQL},
		{source.ErrNoFiles, activities.ErrorSource},
		{source.ErrURI, activities.ErrorSource},
		{source.ErrTable, activities.ErrorSource},
		{materialize.ErrTooLarge, activities.ErrorTooLarge},
		{transform.ErrOutOfMemory, activities.ErrorTooLarge},
		{online.ErrTooLarge, activities.ErrorTooLarge},
		{offline.ErrCorrupt, activities.ErrorCorrupt},
		{offline.ErrMismatch, activities.ErrorCorrupt},
		{online.ErrDamaged, activities.ErrorCorrupt},
		{aggregate.ErrDamaged, activities.ErrorCorrupt},
		{offline.ErrStale, activities.ErrorStale},
		{offline.ErrHistoryGone, activities.ErrorHistory},
		{erase.ErrRefused, activities.ErrorInput},
		{erase.ErrFound, activities.ErrorFound},
		{forget.ErrTooMany, activities.ErrorInput},
		{forget.ErrDamaged, activities.ErrorCorrupt},
		{keyset.ErrTooMany, activities.ErrorInput},
		{keyset.ErrDamaged, activities.ErrorCorrupt},

		{offline.ErrConflict, retried},
		{materialize.ErrContended, retried},
		{bucket.ErrUnknown, retried},
		{bucket.ErrNotFound, retried},
		{errors.New("no space left on device"), retried},
		{context.DeadlineExceeded, retried},
	} {
		given := fmt.Errorf("read flights of 2001-01-05: %w (and more)", c.sentinel)
		w.materialize.Engine.Sources = sourceFunc(func(context.Context) (source.Files, error) { return source.Files{}, given })
		_, err := w.environment().ExecuteActivity("BuildWindows", activities.BuildRequest{Target: target, Range: day("2001-01-05")})
		var application *temporal.ApplicationError
		require.ErrorAs(t, err, &application)
		require.Equal(t, given.Error(), application.Message(), "the text is whole")
		require.Equal(t, c.want == retried, !application.NonRetryable(), "%v", c.sentinel)
		if c.want != retried {
			require.Equal(t, c.want, application.Type(), "%v", c.sentinel)
			require.NoError(t, application.Unwrap(), "the text is there once")
		}
	}
}

// What the planning activity refuses comes from the engine itself.
func TestRefusalsOfAPlan(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	early, odd, no := instant("1999-01-01"), instant("2001-01-05T03:00"), false
	for _, c := range []struct {
		change func(r *activities.PlanRequest)
		kind   string
		text   string
	}{
		{func(r *activities.PlanRequest) { r.Workspace = "Not A Workspace" }, activities.ErrorInput, "bad workspace name"},
		{func(r *activities.PlanRequest) { r.Workspace = "elsewhere" }, activities.ErrorNotFound, "elsewhere"},
		{func(r *activities.PlanRequest) { r.View = "nowhere" }, activities.ErrorNotFound, "nowhere"},
		{func(r *activities.PlanRequest) { r.StartTime = &early }, activities.ErrorInput, "the view starts at"},
		{func(r *activities.PlanRequest) { r.StartTime = &odd }, activities.ErrorInput, "multiples of the batch schedule"},
		{func(r *activities.PlanRequest) { r.Offline = &no }, activities.ErrorInput, "offline cannot be false"},
	} {
		request := activities.PlanRequest{Target: target}
		c.change(&request)
		_, err := w.environment().ExecuteActivity("PlanMaterialize", request)
		var application *temporal.ApplicationError
		require.ErrorAs(t, err, &application)
		require.True(t, application.NonRetryable())
		require.Equal(t, c.kind, application.Type())
		require.Contains(t, application.Message(), c.text)
	}
}
