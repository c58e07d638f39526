package ingest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/tilery/tilery/pkg/bucket"
	"github.com/tilery/tilery/pkg/window"
)

// Ticket is the place of a frame in the order of ingests.
type Ticket struct {
	Frame
	// Sequence orders ingests of a table: at equal timestamps the greater wins.
	Sequence    int64  `json:"sequence"`
	Generation  int64  `json:"generation"`  // that was the newest then
	Fingerprint string `json:"fingerprint"` // of the store that the rows belong to
	Fence       int64  `json:"fence"`       // of the table: what was erased since is left out
}

// name is what the table knows the rows by. It has the number, so that what is staged at
// the path after the ticket was swept is another ingest.
func (t Ticket) name() string { return fmt.Sprintf("%s-%d", t.ID(), t.Sequence) }

// ticketFormat of ticket.json.
const ticketFormat = 1

type ticketDocument struct {
	Format int `json:"ticket_format"`
	Ticket
}

// Accept gives a frame its place, once: accepted again, it has the same. ErrRefused,
// ErrNotFound.
func (e *Engine) Accept(ctx context.Context, f Frame, now window.Time) (Ticket, error) {
	p, err := f.place()
	if err != nil {
		return Ticket{}, err
	}
	ticket, err := e.ticket(ctx, p)
	if !errors.Is(err, bucket.ErrNotFound) {
		return ticket, err
	}
	if _, err := e.Bucket.Stat(ctx, f.Object); errors.Is(err, bucket.ErrNotFound) {
		return Ticket{}, fmt.Errorf("%w: %s was removed", ErrNotFound, f.Path)
	} else if err != nil {
		return Ticket{}, fmt.Errorf("accept %s: %w", f.Path, err)
	}
	if ticket, err = e.draw(ctx, p, f, now); err != nil {
		return Ticket{}, err
	}
	data, err := json.Marshal(ticketDocument{ticketFormat, ticket})
	if err != nil {
		return Ticket{}, fmt.Errorf("encode the ticket of %s: %w", f.Path, err)
	}
	err = bucket.Claim(ctx, e.Bucket, p.ticketKey(), data) // its number makes it unique
	if errors.Is(err, bucket.ErrExists) {
		return e.ticket(ctx, p)
	}
	if err != nil {
		return Ticket{}, fmt.Errorf("accept %s: %w", f.Path, err)
	}
	return ticket, nil
}

// draw makes a ticket. The fence comes before the number: what is erased between the two
// is left out, and with it no more than was staged before.
func (e *Engine) draw(ctx context.Context, p place, f Frame, now window.Time) (Ticket, error) {
	target, err := e.table(ctx, f.Workspace, f.Table)
	if err != nil {
		return Ticket{}, err
	}
	table, err := e.Tables.Table(ctx, target, now)
	if err != nil {
		return Ticket{}, fmt.Errorf("accept %s: %w", f.Path, err)
	}
	snapshot, err := table.Snapshot(ctx)
	if err != nil {
		return Ticket{}, fmt.Errorf("accept %s: %w", f.Path, err)
	}
	sequence, err := e.claimNext(ctx, p)
	return Ticket{
		Frame: f, Sequence: sequence, Generation: target.Generation, Fingerprint: target.Fingerprint, Fence: snapshot.Fence,
	}, err
}

func (e *Engine) ticket(ctx context.Context, p place) (Ticket, error) {
	data, err := e.Bucket.Get(ctx, p.ticketKey())
	if err != nil {
		return Ticket{}, fmt.Errorf("read the ticket of %s: %w", p.path(), err)
	}
	var d ticketDocument
	if err := json.Unmarshal(data, &d); err != nil {
		return Ticket{}, fmt.Errorf("decode the ticket of %s: %w", p.path(), err)
	}
	if d.Format != ticketFormat || d.Path != p.path() {
		return Ticket{}, fmt.Errorf("decode the ticket of %s: format %d of %s is not known to this version of tilery", p.path(), d.Format, d.Path)
	}
	return d.Ticket, nil
}
