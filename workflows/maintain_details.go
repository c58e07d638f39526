package workflows

import (
	"fmt"
	"strings"

	"go.temporal.io/sdk/workflow"
)

// summary is the result in a line.
func (m *maintenance) summary() string {
	r := m.result
	text := fmt.Sprintf("%d files compacted into %d, %d vacuumed, %d objects of logs, %d of jobs and %d of %d unused stores removed",
		r.Compacted, r.Into, r.Vacuumed, r.LogObjects, r.Staged, r.RemovedObjects, len(r.RemovedStores))
	if r.Cleaned > 0 {
		text += fmt.Sprintf(", %d deletions cleaned up", r.Cleaned)
	}
	if len(r.Unfinished) > 0 {
		text += fmt.Sprintf("; the next run goes on with %d steps", len(r.Unfinished))
	}
	return text
}

// describe shows what was done and which step is under way in Temporal's pages, as Markdown.
func (m *maintenance) describe(ctx workflow.Context, step string) {
	r := m.result
	title := fmt.Sprintf("**%s** of workspace %s", r.View, r.Workspace)
	if r.DryRun {
		title += ", dry run: nothing is changed"
	}
	lines := []string{
		title, "",
		"| compacted | into | vacuumed | of logs | of jobs | stores | their objects | cells' fillings | bytes |",
		"|--:|--:|--:|--:|--:|--:|--:|--:|--:|",
		fmt.Sprintf("| %d | %d | %d | %d | %d | %d | %d | %d | %d |", r.Compacted, r.Into, r.Vacuumed, r.LogObjects, r.Staged,
			len(r.RemovedStores), r.RemovedObjects, r.Replaced, r.Bytes),
	}
	note := func(applies bool, text string) {
		if applies {
			lines = append(lines, "", text)
		}
	}
	note(step != "", "Now: "+step)
	note(r.Skipped != "", "No table is maintained: "+r.Skipped)
	note(len(r.RemovedStores) > 0, "Unused stores: "+strings.Join(r.RemovedStores[:min(len(r.RemovedStores), maxFailuresShown)], ", "))
	note(r.Cleaned > 0, fmt.Sprintf("Deletions of which no old version is left: %d", r.Cleaned))
	note(len(r.Unfinished) > 0, "The next run goes on: "+strings.Join(r.Unfinished, "; "))
	note(r.Unrecorded != "", "The ledger is not complete: "+r.Unrecorded)
	for _, f := range r.Failures {
		note(true, "Failed: "+f.Step+": "+strings.ReplaceAll(f.Reason, "\n", " "))
	}
	workflow.SetCurrentDetails(ctx, strings.Join(lines, "\n")+"\n")
}
