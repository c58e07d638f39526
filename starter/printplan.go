package main

import (
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	"github.com/tilery/tilery/pkg/api"
	"github.com/tilery/tilery/pkg/materialize"
	"github.com/tilery/tilery/pkg/registry"
	"github.com/tilery/tilery/pkg/window"
)

var verbs = map[registry.Action]string{
	registry.Create: "+ Create", registry.Update: "~ Update", registry.Recreate: "~ Recreate", registry.Delete: "- Delete",
}

// incrementalWindows is how many windows an incremental job fills at most.
const incrementalWindows = 64

// printPlan writes a plan for people, with its id.
func printPlan(w io.Writer, plan api.PlanResponse, id string) {
	if len(plan.Changes) == 0 {
		fmt.Fprintf(w, "Workspace %s is up to date with generation %d.\n", plan.Workspace, plan.Base)
		return
	}
	kind := "live"
	if !plan.Live {
		kind = "development"
	}
	fmt.Fprintf(w, "Plan for %s workspace %s, now at generation %d:\n", kind, plan.Workspace, plan.Base)
	fmt.Fprintln(w, "↓↓↓↓↓↓↓↓↓↓↓↓ Plan Start ↓↓↓↓↓↓↓↓↓↓")
	fmt.Fprintln(w)
	costs := slices.Clone(plan.Costs)
	for _, change := range plan.Changes {
		i := slices.IndexFunc(costs, func(c materialize.Cost) bool { return change.Kind == registry.KindView && c.View == change.Name })
		if i >= 0 {
			printChange(w, change, plan.Live, &costs[i])
			costs = slices.Delete(costs, i, i+1)
		} else {
			printChange(w, change, plan.Live, nil)
		}
	}
	for _, cost := range costs { // of views that only their sources change
		fmt.Fprintf(w, "    Unchanged %s, whose source changes\n", registry.KindView)
		line(w, "name:", cost.View)
		printCost(w, cost)
		fmt.Fprintln(w)
	}
	fmt.Fprintln(w, "↑↑↑↑↑↑↑↑↑↑↑↑ Plan End ↑↑↑↑↑↑↑↑↑↑↑↑")
	fmt.Fprintln(w, "Generated plan ID is", id)
	printConsequences(w, plan)
}

// printChange writes a change, and what it costs if that is known.
func printChange(w io.Writer, change registry.Change, live bool, cost *materialize.Cost) {
	fmt.Fprintf(w, "  %s %s\n", verbs[change.Action], change.Kind)
	line(w, "name:", change.Name)
	for _, f := range change.Fields {
		printField(w, change.Action, f)
	}
	stored := change.Action == registry.Create || change.Action == registry.Recreate
	switch {
	case cost != nil:
		printCost(w, *cost)
	case live && stored && change.Kind == registry.KindTable:
		line(w, "materialization:", "no backfill, no recurring job: data frames are ingested")
	}
	if change.Note != "" {
		line(w, "note:", change.Note)
	}
	fmt.Fprintln(w)
}

func line(w io.Writer, name, text string) { fmt.Fprintf(w, "    %-17s%s\n", name, text) }

// more continues a line.
func more(w io.Writer, text string) { line(w, "", text) }

func printField(w io.Writer, action registry.Action, f registry.FieldChange) {
	text := plain(f.New)
	if action != registry.Create {
		text = plain(f.Old) + " -> " + text
	}
	if f.Field == "defined_in" {
		text += " (of no consequence)"
	}
	line(w, f.Field+":", text)
}

// plain shows a JSON text without its quotes where it stays one line.
func plain(value string) string {
	var text string
	switch {
	case value == "":
		return "(none)"
	case json.Unmarshal([]byte(value), &text) == nil && !strings.ContainsAny(text, "\n\t"):
		return text
	}
	return value
}

func printCost(w io.Writer, c materialize.Cost) {
	recurring := "no recurring job"
	if c.Incremental != nil {
		recurring = "1 recurring batch job"
	}
	line(w, "materialization:", fmt.Sprintf("%s of %s to backfill, %s", count(c.Queries, "query", "queries"), count(c.Windows, "window", "windows"), recurring))
	for i, b := range c.Backfills {
		name := ""
		if i == 0 {
			name = "> backfill:"
		}
		line(w, name, fmt.Sprintf("%s from %s to %s writing to %s", count(b.Queries, "query", "queries"), clock(b.Range.Start), clock(b.Range.End), stores(b.Online)))
	}
	if c.PerWindow != "" {
		more(w, "one query a window: "+c.PerWindow)
	}
	for _, command := range commands(c) {
		more(w, "start it with: "+command)
	}
	if c.Windows > 0 {
		line(w, "> reads:", reads(c.Scan))
		line(w, "> online writes:", writes(c.OnlineWrites))
	}
	if c.Incremental != nil {
		delay := ""
		if c.Incremental.Delay != 0 {
			delay = fmt.Sprintf(", %s after the end of a window,", c.Incremental.Delay)
		}
		line(w, "> incremental:", fmt.Sprintf("1 Recurring Batch job scheduled every %s%s writing to %s", c.Incremental.Every, delay, stores(c.Incremental.Online)))
	}
	for _, warning := range c.Warnings {
		line(w, "warning:", warning)
	}
}

// maxCommands is how many commands are spelled out; with more gaps the newest
// definition's own choice, by schedule, is the better way.
const maxCommands = 3

// commands start the backfills: one for each range without a gap.
func commands(c materialize.Cost) []string {
	var ranges []window.Interval
	for _, b := range c.Backfills {
		ranges = append(ranges, b.Range)
	}
	joined := window.NewSet(ranges...)
	if len(joined) == 1 && joined[0] == c.Wanted {
		return []string{"tilery materialize " + c.View}
	}
	var out []string
	for _, r := range joined[:min(len(joined), maxCommands)] {
		out = append(out, fmt.Sprintf("tilery materialize %s --start %v --end %v", c.View, r.Start, r.End))
	}
	return out
}

// printConsequences says what apply does and, above all, what it does not.
func printConsequences(w io.Writer, plan api.PlanResponse) {
	if !plan.Live {
		fmt.Fprintf(w, "%s is a development workspace: nothing of it is ever materialized.\n", plan.Workspace)
		return
	}
	var total materialize.Cost
	for _, c := range plan.Costs {
		total.Windows += c.Windows
		total.Queries += c.Queries
		total.Scan.Rows += c.Scan.Rows
		total.Scan.Bytes += c.Scan.Bytes
	}
	if total.Windows == 0 {
		return
	}
	if len(plan.Costs) > 1 {
		fmt.Fprintf(w, "Backfills of all views together: %s of %s, reading about %s rows and %s.\n",
			count(total.Queries, "query", "queries"), count(total.Windows, "window", "windows"), grouped(total.Scan.Rows), size(total.Scan.Bytes))
	}
	fmt.Fprintf(w, "Apply starts no backfill: the commands above do. Schedules start incremental jobs, each of which fills the %d newest windows that are missing.\n", incrementalWindows)
}

func stores(online bool) string {
	if online {
		return "both the Online and Offline Store"
	}
	return "the Offline Store"
}

func reads(s materialize.ScanCost) string {
	rows := grouped(s.Rows) + " rows"
	if !s.RowsKnown {
		rows = "an unknown number of rows"
		if s.Rows > 0 {
			rows = "over " + grouped(s.Rows) + " rows"
		}
	}
	about := ""
	if s.Estimated {
		about = "about "
	}
	return fmt.Sprintf("%s, %s%s and %s in all queries", count(s.Files, "file", "files"), about, rows, size(s.Bytes))
}

func writes(o materialize.OnlineWrites) string {
	switch {
	case !o.Known:
		return "not bounded: " + o.How
	case o.AtMost == 0:
		return "none: " + o.How
	}
	return fmt.Sprintf("at most %s: %s", grouped(o.AtMost), o.How)
}

func clock(t window.Time) string { return t.Time().Format("2006-01-02 15:04:05 UTC") }

func count(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return grouped(int64(n)) + " " + many
}

// grouped sets thousands apart: 1,234,567.
func grouped(n int64) string {
	digits := strconv.FormatInt(n, 10)
	for at := len(digits) - 3; at > 0 && digits[at-1] != '-'; at -= 3 {
		digits = digits[:at] + "," + digits[at:]
	}
	return digits
}

// size renders bytes in binary units.
func size(bytes int64) string {
	value, unit := float64(bytes), 0
	units := []string{"B", "KiB", "MiB", "GiB", "TiB", "PiB"}
	for value >= 1024 && unit < len(units)-1 {
		value, unit = value/1024, unit+1
	}
	if unit == 0 {
		return fmt.Sprintf("%d B", bytes)
	}
	return fmt.Sprintf("%.1f %s", value, units[unit])
}
