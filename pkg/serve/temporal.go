package serve

import (
	"net/url"
	"strings"
)

// Temporal makes links to Temporal's pages. Without UI there are none.
type Temporal struct {
	UI        string // address, for instance http://127.0.0.1:8233
	Namespace string
	// JobsQuery returns the visibility query that finds the jobs of a view.
	JobsQuery func(workspace, view string) string
}

func (t Temporal) workflows() string {
	return strings.TrimSuffix(t.UI, "/") + "/namespaces/" + url.PathEscape(t.Namespace) + "/workflows"
}

// runURL is the page of one run; empty if it is not known.
func (t Temporal) runURL(workflowID, runID string) string {
	if t.UI == "" || workflowID == "" || runID == "" {
		return ""
	}
	return t.workflows() + "/" + url.PathEscape(workflowID) + "/" + url.PathEscape(runID) + "/history"
}

// viewURL is the page with the jobs of a view; empty if it is not known.
func (t Temporal) viewURL(workspace, view string) string {
	if t.UI == "" || t.JobsQuery == nil {
		return ""
	}
	return t.workflows() + "?query=" + url.QueryEscape(t.JobsQuery(workspace, view))
}
