package workflows

import (
	"fmt"
	"strings"

	"go.temporal.io/sdk/workflow"
)

// summary is the result in a line.
func (i *ingestion) summary() string {
	r := i.result
	text := fmt.Sprintf("%d rows", r.Rows)
	if r.Rows > 0 {
		text += fmt.Sprintf(" from %v to %v", r.Start, r.End)
	}
	if r.Duplicates > 0 {
		text += fmt.Sprintf("; %d gave way to later rows of the frame", r.Duplicates)
	}
	if r.Forgotten > 0 {
		text += fmt.Sprintf("; %d were held back by a deletion", r.Forgotten)
	}
	if len(r.Dropped) > 0 {
		shown := r.Dropped[:min(len(r.Dropped), maxFailuresShown)]
		text += fmt.Sprintf("; %d columns are not of the table: %s", len(r.Dropped), strings.Join(shown, ", "))
	}
	return text
}

// describe shows where the job stands and which step is under way in Temporal's pages,
// as Markdown.
func (i *ingestion) describe(ctx workflow.Context, step string) {
	r := i.result
	lines := []string{
		fmt.Sprintf("**%s** of workspace %s", r.FeatureTable, r.Workspace), "",
		fmt.Sprintf("Frame `%s`", r.Path), "",
		"| rows | bytes | replaced in the frame | held back | version | cells |",
		"|--:|--:|--:|--:|--:|--:|",
		fmt.Sprintf("| %d | %d | %d | %d | %d | %d |", r.Rows, r.Bytes, r.Duplicates, r.Forgotten, r.Version, r.Cells),
	}
	note := func(applies bool, text string) {
		if applies {
			lines = append(lines, "", text)
		}
	}
	note(step != "", "Now: "+step)
	note(r.Manifest != "", "Built: "+i.summary()+".")
	note(r.Behind != "", "The online store does not follow: "+strings.ReplaceAll(r.Behind, "\n", " "))
	note(r.Unrecorded != "", "The ledger is not complete: "+r.Unrecorded)
	workflow.SetCurrentDetails(ctx, strings.Join(lines, "\n")+"\n")
}
