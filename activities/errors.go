package activities

import (
	"errors"

	"go.temporal.io/sdk/temporal"

	"github.com/tilery/tilery/pkg/materialize"
	"github.com/tilery/tilery/pkg/offline"
	"github.com/tilery/tilery/pkg/registry"
	"github.com/tilery/tilery/pkg/source"
	"github.com/tilery/tilery/pkg/transform"
)

// Types of the errors that are not retried. They are part of the wire format:
// workflows, histories and people see them.
const (
	ErrorInput    = "InvalidInput" // the job's input cannot be carried out
	ErrorOverlap  = "Overlap"      // the range was materialized already and overwrite was not asked for
	ErrorNotFound = "NotFound"     // no such workspace or view
	ErrorSQL      = "SQL"          // the transformation cannot run
	ErrorSource   = "Source"       // the source has no files or a bad URI
	ErrorTooLarge = "TooLarge"     // the window does not fit the configured memory
	ErrorCorrupt  = "Corrupt"      // a table is damaged or has another layout
	ErrorStale    = "StaleBuild"   // files grew too old to be committed: build again
)

var permanent = []struct {
	sentinel error
	kind     string
}{
	{materialize.ErrRange, ErrorInput},
	{materialize.ErrOverlap, ErrorOverlap},
	{materialize.ErrTooLarge, ErrorTooLarge},
	{registry.ErrNotFound, ErrorNotFound},
	{registry.ErrWorkspace, ErrorInput},
	{transform.ErrSQL, ErrorSQL},
	{source.ErrNoFiles, ErrorSource},
	{source.ErrURI, ErrorSource},
	{offline.ErrCorrupt, ErrorCorrupt},
	{offline.ErrMismatch, ErrorCorrupt},
	{offline.ErrStale, ErrorStale},
}

// translate marks the errors that a retry cannot mend.
func translate(err error) error {
	for _, p := range permanent {
		if errors.Is(err, p.sentinel) {
			return temporal.NewNonRetryableApplicationError(err.Error(), p.kind, err)
		}
	}
	return err
}
