package ledger

import (
	"fmt"
	"math"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/tilery/tilery/pkg/window"
)

const (
	maxSegmentBytes = 255    // what a bucket allows between two slashes of a key
	none            = "none" // in the place of a time
)

// Layouts of compact times; the second is for those within a second.
const (
	wholeLayout  = "20060102T150405Z"
	microsLayout = "20060102T150405.000000Z"
)

func viewPrefix(workspace, view string) string { return "jobs/" + workspace + "/" + view + "/" }

// folder begins the keys of the job's records. The ids of workflow and run are in
// it where they fit.
func (j Job) folder() string {
	segment := fmt.Sprintf("%019d-%s", math.MaxInt64-int64(j.CreatedAt), j.ID)
	ids := "." + escape(j.WorkflowID) + "." + escape(j.RunID)
	if j.WorkflowID != "" && j.RunID != "" && len(segment)+len(ids) <= maxSegmentBytes {
		segment += ids
	}
	return viewPrefix(j.Workspace, j.View) + segment + "/"
}

func (j Job) claimKey(number int) string { return fmt.Sprintf("%s%06d.json", j.folder(), number) }

func (j Job) stateKey(e Entry) string {
	return fmt.Sprintf("%s%06d-%s", j.folder(), e.Number, e.suffix(j.Type))
}

func (j Job) attemptKey(e Entry) string {
	return fmt.Sprintf("%s%06da%04d-%s", j.folder(), e.Number, e.Attempt, e.suffix(j.Type))
}

func (e Entry) suffix(t Type) string {
	start, end := none, none
	if !e.Window.Empty() {
		start, end = compact(e.Window.Start), compact(e.Window.End)
	}
	return fmt.Sprintf("%s-%s-%s-%s-%d", e.State, t, start, end, e.Attempt)
}

func compact(t window.Time) string {
	if t.Aligned(time.Second) {
		return t.Time().Format(wholeLayout)
	}
	return t.Time().Format(microsLayout)
}

// kind is what an object of the ledger is.
type kind int

const (
	claimed kind = iota
	state
	attempt
)

// item is what a key tells. A claim has a number and no more, nor its job a type.
type item struct {
	kind  kind
	job   Job
	entry Entry
}

func (i item) key() string {
	switch i.kind {
	case claimed:
		return i.job.claimKey(i.entry.Number)
	case attempt:
		return i.job.attemptKey(i.entry)
	default:
		return i.job.stateKey(i.entry)
	}
}

// parseKey is the inverse of item.key; it takes no other spelling.
func parseKey(workspace, view, key string) (item, error) {
	i := item{job: Job{Workspace: workspace, View: view}}
	folder, name, _ := strings.Cut(strings.TrimPrefix(key, viewPrefix(workspace, view)), "/")
	if i.parseFolder(folder) && i.parseName(name) && i.key() == key {
		return i, nil
	}
	return item{}, fmt.Errorf("key %s: %w", key, ErrCorrupt)
}

func (i *item) parseFolder(folder string) bool {
	id, ids, _ := strings.Cut(folder, ".")
	workflow, run, _ := strings.Cut(ids, ".")
	created, job, _ := strings.Cut(id, "-")
	inverted, err := strconv.ParseInt(created, 10, 64)
	i.job.ID = job
	i.job.CreatedAt = window.Time(math.MaxInt64 - inverted)
	i.job.WorkflowID, i.job.RunID = unescape(workflow), unescape(run)
	return err == nil && inverted >= 0 && i.job.CreatedAt <= window.MaxTime && checkID(job) == nil
}

func (i *item) parseName(name string) bool {
	if number, ok := strings.CutSuffix(name, ".json"); ok {
		i.kind = claimed
		return parseNumber(number, maxNumber, &i.entry.Number) && i.entry.Number > 0
	}
	fields := strings.Split(name, "-")
	if len(fields) != 6 {
		return false
	}
	number, _, isAttempt := strings.Cut(fields[0], "a") // the attempt comes again, last
	i.entry.State, i.job.Type = State(fields[1]), Type(fields[2])
	if !parseNumber(number, maxNumber, &i.entry.Number) ||
		!parseNumber(fields[5], maxAttempt, &i.entry.Attempt) ||
		!parseWindow(fields[3], fields[4], &i.entry.Window) ||
		i.job.check() != nil {
		return false
	}
	record := Record{Entry: i.entry}
	if !isAttempt {
		i.kind = state
		return record.check() == nil
	}
	i.kind = attempt
	return record.checkAttempt() == nil
}

func parseNumber(text string, most int, into *int) bool {
	n, err := strconv.ParseUint(text, 10, 31)
	*into = int(n)
	return err == nil && int(n) <= most
}

func parseWindow(start, end string, into *window.Interval) bool {
	if start == none && end == none {
		return true
	}
	var ok bool
	if into.Start, ok = parseCompact(start); !ok {
		return false
	}
	into.End, ok = parseCompact(end)
	return ok && !into.Empty()
}

func parseCompact(text string) (window.Time, bool) {
	// A fraction is accepted after any layout that ends in seconds.
	t, err := time.Parse(wholeLayout, text)
	if err != nil {
		return 0, false
	}
	return window.FromTime(t), true
}

// escape spells any text in letters, digits, "_", "-" and, before the hexadecimal
// digits of every other byte, "=".
func escape(text string) string {
	var b strings.Builder
	for i := range len(text) {
		if c := text[i]; plain(c) {
			b.WriteByte(c)
		} else {
			fmt.Fprintf(&b, "=%02X", c)
		}
	}
	return b.String()
}

func plain(c byte) bool {
	return 'A' <= c && c <= 'Z' || 'a' <= c && c <= 'z' || '0' <= c && c <= '9' || c == '_' || c == '-'
}

// unescape is the inverse of escape; what that does not write comes out different
// when it is escaped again.
func unescape(text string) string {
	plain, err := url.PathUnescape(strings.ReplaceAll(text, "=", "%"))
	if err != nil {
		return ""
	}
	return plain
}
