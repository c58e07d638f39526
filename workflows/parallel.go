package workflows

import (
	"cmp"

	"go.temporal.io/sdk/workflow"
)

// inParallel calls do for 0 to n-1, at most so many at a time. The first that fails
// cancels the others, and its error is returned when all have ended.
func inParallel(ctx workflow.Context, n int, most int64, do func(ctx workflow.Context, i int) error) error {
	ctx, cancel := workflow.WithCancel(ctx)
	defer cancel()
	free := workflow.NewSemaphore(ctx, most)
	all := workflow.NewWaitGroup(ctx)
	var failed error
	for i := range n {
		if err := free.Acquire(ctx, 1); err != nil {
			failed = cmp.Or(failed, err)
			break
		}
		all.Add(1)
		workflow.Go(ctx, func(ctx workflow.Context) {
			defer all.Done()
			defer free.Release(1)
			if err := do(ctx, i); err != nil {
				failed = cmp.Or(failed, err)
				cancel()
			}
		})
	}
	settled, _ := workflow.NewDisconnectedContext(ctx)
	all.Wait(settled)
	return failed
}
