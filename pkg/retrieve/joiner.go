package retrieve

import (
	"github.com/apache/arrow/go/v15/arrow"

	"github.com/tilery/tilery/pkg/window"
)

// keyBatch is some keys of the spine with their instants, which ascend within a key.
type keyBatch struct {
	firsts []int32       // by key: its first row; one more at the end
	times  []window.Time // by row
}

func (b *keyBatch) keys() int { return len(b.firsts) - 1 }

// joiner joins the features of one view with the spine, one batch of keys after the
// other. It belongs to one goroutine.
type joiner interface {
	// columns names what is read of the table beside keys and time, and in this order.
	columns() []string
	begin(b *keyBatch)
	// add takes rows of a file: rows[i] of the record, whose columns are the table's
	// keys and time and then columns(), is of the key keys[i] of the batch. Both ascend,
	// so do the times of a key within a file, and files come latest first by MaxTime.
	// The record is valid until add returns.
	add(rec arrow.Record, rows, keys []int32) error
	// end returns, by feature of the view's parts, an array with a value for each row of the batch.
	end() ([]arrow.Array, error)
	// needs returns the time that an instant's features are made of, in terms of the
	// table's windows; empty: of none.
	needs(at window.Time) window.Interval
}
