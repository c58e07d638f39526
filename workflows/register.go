package workflows

import "go.temporal.io/sdk/worker"

// Register makes every workflow known to a worker of TaskQueueControl.
func Register(r worker.WorkflowRegistry) {
	r.RegisterWorkflow(Materialize)
	r.RegisterWorkflow(MaterializeIncremental)
	r.RegisterWorkflow(Reconcile)
	r.RegisterWorkflow(RestoreOnline)
	r.RegisterWorkflow(Maintain)
	r.RegisterWorkflow(RetrieveFeatures)
	r.RegisterWorkflow(DeleteKeys)
	r.RegisterWorkflow(Ingest)
}
