package activities

import (
	"errors"

	"go.temporal.io/sdk/temporal"

	"github.com/tilery/tilery/pkg/aggregate"
	"github.com/tilery/tilery/pkg/dataset"
	"github.com/tilery/tilery/pkg/erase"
	"github.com/tilery/tilery/pkg/forget"
	"github.com/tilery/tilery/pkg/frame"
	"github.com/tilery/tilery/pkg/ingest"
	"github.com/tilery/tilery/pkg/keyset"
	"github.com/tilery/tilery/pkg/ledger"
	"github.com/tilery/tilery/pkg/materialize"
	"github.com/tilery/tilery/pkg/offline"
	"github.com/tilery/tilery/pkg/online"
	"github.com/tilery/tilery/pkg/record"
	"github.com/tilery/tilery/pkg/registry"
	"github.com/tilery/tilery/pkg/retrieve"
	"github.com/tilery/tilery/pkg/source"
	"github.com/tilery/tilery/pkg/transform"
)

// Types of the errors that are not retried. They are part of the wire format:
// workflows, histories and people see them.
const (
	ErrorInput    = "InvalidInput" // the job's input cannot be carried out
	ErrorOverlap  = "Overlap"      // the range was materialized already and overwrite was not asked for
	ErrorNotFound = "NotFound"     // no such workspace or view
	ErrorSQL      = "SQL"          // the transformation cannot run, or returns what cannot be stored
	ErrorSource   = "Source"       // the source has no files or a bad URI
	ErrorTooLarge = "TooLarge"     // the window does not fit the configured memory
	ErrorCorrupt  = "Corrupt"      // a table or a cell is damaged or has another layout
	ErrorStale    = "StaleBuild"   // files grew too old to be committed: build again
	ErrorHistory  = "HistoryGone"  // the log ends before the version that the online store follows
	ErrorFound    = "KeysFound"    // a deletion left rows of its keys
)

// Types of the errors of attempts, which are retried, and of the last of them.
const (
	ErrorFailed      = "Failed"           // work failed in a way that may pass
	ErrorInterrupted = "Interrupted"      // the worker itself ended the work
	ErrorWaiting     = "Waiting"          // it is not yet the job's turn
	ErrorExhausted   = "RetriesExhausted" // work failed too often; not retried
)

var permanent = []struct {
	sentinel error
	kind     string
}{
	{materialize.ErrRange, ErrorInput},
	{materialize.ErrOverlap, ErrorOverlap},
	{materialize.ErrTooLarge, ErrorTooLarge},
	{ledger.ErrInvalid, ErrorInput},
	{registry.ErrNotFound, ErrorNotFound},
	{registry.ErrWorkspace, ErrorInput},
	{retrieve.ErrSpine, ErrorInput},
	{frame.ErrData, ErrorInput},
	{retrieve.ErrNoData, ErrorInput},
	{ingest.ErrNotFound, ErrorNotFound},
	{ingest.ErrRefused, ErrorInput},
	{ingest.ErrTooLarge, ErrorTooLarge},
	{dataset.ErrExists, ErrorInput},
	{dataset.ErrName, ErrorInput},
	{offline.ErrColumns, ErrorInput},
	{transform.ErrSQL, ErrorSQL},
	{transform.ErrOutOfMemory, ErrorTooLarge},
	{record.ErrKey, ErrorSQL},
	{source.ErrNoFiles, ErrorSource},
	{source.ErrURI, ErrorSource},
	{source.ErrTable, ErrorSource},
	{offline.ErrCorrupt, ErrorCorrupt},
	{offline.ErrMismatch, ErrorCorrupt},
	{offline.ErrStale, ErrorStale},
	{offline.ErrHistoryGone, ErrorHistory},
	{online.ErrDamaged, ErrorCorrupt},
	{online.ErrTooLarge, ErrorTooLarge},
	{aggregate.ErrDamaged, ErrorCorrupt},
	{erase.ErrRefused, ErrorInput},
	{erase.ErrFound, ErrorFound},
	{forget.ErrTooMany, ErrorInput},
	{forget.ErrDamaged, ErrorCorrupt},
	{keyset.ErrTooMany, ErrorInput},
	{keyset.ErrDamaged, ErrorCorrupt},
}

// translate marks the errors that a retry cannot mend. The text says all: as a
// cause, each layer of a wrapped error would enter history once more.
func translate(err error) error {
	for _, p := range permanent {
		if errors.Is(err, p.sentinel) {
			return temporal.NewNonRetryableApplicationError(err.Error(), p.kind, nil)
		}
	}
	return err
}
