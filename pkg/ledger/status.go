package ledger

import (
	"context"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/tilery/tilery/pkg/window"
)

const (
	defaultLimit = 1000
	missing      = "N/A"
)

// StatusOptions choose what the status table shows; the zero value is Tecton's
// default.
type StatusOptions struct {
	Verbose     bool   // more columns; each shown row is read, 16 at a time
	Limit       int    // jobs, the newest: 1000, at most MaxJobs; counted before ErrorsOnly
	SortColumns string // names with commas between; without any the newest job is first
	ErrorsOnly  bool   // rows with status ERROR
	Type        Type   // of the jobs; empty: all

	// UI and Namespace make the links of JOB_LOGS: the address of Temporal's pages,
	// for instance http://127.0.0.1:8233, and the namespace of the jobs.
	UI, Namespace string
}

// line is what a row is made of.
type line struct {
	Job
	Entry
	key    string
	record Record // read when verbose
	logs   string
}

// column is one of materialization_status; an empty cell is shown as missing.
type column struct {
	name    string
	verbose bool
	cell    func(line) string
}

var columns = []column{
	{"TYPE", false, func(l line) string { return string(l.Type) }},
	{"WINDOW_START_TIME", false, func(l line) string { return timeCell(l.Window.Start, !l.Window.Empty()) }},
	{"WINDOW_END_TIME", false, func(l line) string { return timeCell(l.Window.End, !l.Window.Empty()) }},
	{"STATUS", false, func(l line) string { return string(l.State) }},
	{columnAttempt, false, func(l line) string { return numberCell(l.Attempt) }},
	{"MATERIALIZATION_TASK", true, func(l line) string { return l.ID }},
	{"ENV_VERSION", true, func(l line) string { return l.record.EnvVersion }},
	{"TERMINATION_REASON", true, func(l line) string { return l.record.Reason }},
	{"STATE_MESSAGE", true, func(l line) string { return l.record.Message }},
	{"TASK_SCHEDULED_AT", true, func(l line) string { return timeCell(l.CreatedAt, true) }},
	{"JOB_CREATED_AT", false, func(l line) string { return timeCell(l.CreatedAt, true) }},
	{"JOB_LOGS", false, func(l line) string { return l.logs }},
}

func timeCell(t window.Time, known bool) string {
	if !known {
		return ""
	}
	return t.Time().Format("2006-01-02 15:04:05.999999 UTC")
}

func numberCell(n int) string {
	if n == 0 {
		return ""
	}
	return strconv.Itoa(n)
}

// Status returns the status table of a view: for each job a row with its last
// state, and below it its attempts, the last first. Unless it is verbose, it costs
// one list and reads nothing. The error is a *SortKeyError for a wrong sort key.
func (l *Ledger) Status(ctx context.Context, workspace, view string, options StatusOptions) (Table, error) {
	shown := slices.DeleteFunc(slices.Clone(columns), func(c column) bool { return c.verbose && !options.Verbose })
	table := Table{}
	for _, c := range shown {
		table.Columns = append(table.Columns, c.name)
	}
	sortBy, err := table.sortKeys(options.SortColumns)
	if err != nil {
		return Table{}, err
	}
	if options.Limit == 0 {
		options.Limit = defaultLimit
	}
	jobs, err := l.jobs(ctx, workspace, view, options.Type, options.Limit)
	if err != nil {
		return Table{}, err
	}
	lines := linesOf(jobs, options)
	if options.Verbose {
		if err := l.readLines(ctx, lines); err != nil {
			return Table{}, err
		}
	}
	for _, line := range lines {
		row := make([]string, len(shown))
		for n, c := range shown {
			row[n] = c.cell(line)
			if row[n] == "" {
				row[n] = missing
			}
		}
		table.Rows = append(table.Rows, row)
	}
	table.sort(sortBy)
	return table, nil
}

func linesOf(jobs []JobStatus, options StatusOptions) []line {
	var lines []line
	add := func(job Job, e Entry, key string) {
		if !options.ErrorsOnly || e.State == Error {
			lines = append(lines, line{Job: job, Entry: e, key: key, logs: options.logs(job)})
		}
	}
	for _, job := range jobs {
		add(job.Job, job.Entry, job.stateKey(job.Entry))
		for _, e := range slices.Backward(job.Attempts) {
			add(job.Job, e, job.attemptKey(e))
		}
	}
	return lines
}

func (l *Ledger) readLines(ctx context.Context, lines []line) error {
	keys := make([]string, len(lines))
	for n := range lines {
		keys[n] = lines[n].key
	}
	documents, err := l.read(ctx, keys)
	if err != nil {
		return err
	}
	for n, d := range documents {
		lines[n].record = d.Record
	}
	return nil
}

// logs returns the address of the job's run in Temporal's pages, empty if unknown.
func (o StatusOptions) logs(job Job) string {
	if o.UI == "" || o.Namespace == "" || job.WorkflowID == "" || job.RunID == "" {
		return ""
	}
	return strings.TrimSuffix(o.UI, "/") + "/namespaces/" + url.PathEscape(o.Namespace) +
		"/workflows/" + url.PathEscape(job.WorkflowID) + "/" + url.PathEscape(job.RunID) + "/history"
}
