package workflows

import (
	"fmt"
	"strings"

	"go.temporal.io/sdk/workflow"
)

// maxFailuresShown bounds the list of failures in Temporal's pages.
const maxFailuresShown = 20

// describe shows where the job stands in Temporal's pages, as Markdown.
func (m *materialization) describe(ctx workflow.Context) {
	workflow.SetCurrentDetails(ctx, details(workflow.GetInfo(ctx).WorkflowExecution.ID, m.state.Result))
}

func details(id string, r MaterializeResult) string {
	title := fmt.Sprintf("**%s** of workspace %s", r.View, r.Workspace)
	if r.Range != nil {
		title += fmt.Sprintf(", %v to %v", r.Range.Start, r.Range.End)
	}
	lines := []string{
		title, "",
		"| windows | built | committed | done before | superseded | failed |",
		"|--:|--:|--:|--:|--:|--:|",
		fmt.Sprintf("| %d | %d | %d | %d | %d | %d |", r.Windows, r.Built, r.Committed, r.Done, r.Superseded, r.Failed),
	}
	note := func(applies bool, text string) {
		if applies {
			lines = append(lines, "", text)
		}
	}
	note(r.Skipped != "", "Skipped: "+r.Skipped)
	note(r.Waiting, "Waits until fewer jobs of the view run.")
	note(r.Paused, "Paused. `tilery job resume "+id+"` goes on.")
	note(r.Behind != "", "The online store does not follow: "+r.Behind)
	note(r.Serves != 0, fmt.Sprintf("The new store serves as of generation %d.", r.Serves))
	note(r.Lacks != "", "The old store serves on. The new one lacks "+r.Lacks)
	note(r.Unrecorded != "", "The ledger is not complete: "+r.Unrecorded)
	if len(r.Failures) > 0 {
		lines = append(lines, "", "Failed:", "")
		for _, f := range r.Failures[:min(len(r.Failures), maxFailuresShown)] {
			lines = append(lines, "- "+strings.ReplaceAll(f.Reason, "\n", " "))
		}
		if more := len(r.Failures) - maxFailuresShown; more > 0 {
			lines = append(lines, fmt.Sprintf("- and %d more", more))
		}
		note(true, "`tilery job retry "+r.Job+"` tries them again.")
	}
	return strings.Join(lines, "\n") + "\n"
}
