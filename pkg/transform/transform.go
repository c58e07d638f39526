package transform

import (
	"context"
	"errors"

	"github.com/apache/arrow/go/v15/arrow"

	"github.com/tilery/tilery/pkg/feature"
	"github.com/tilery/tilery/pkg/source"
	"github.com/tilery/tilery/pkg/window"
)

// ErrSQL marks a statement, a declaration or data that cannot work: syntax,
// unknown names, wrong types, a value that does not convert. Retrying cannot help.
var ErrSQL = errors.New("SQL cannot run")

// ErrOutOfMemory marks a query that needs more memory, or more room to spill,
// than its Limits allow.
var ErrOutOfMemory = errors.New("SQL ran out of memory")

// Table is a source as the SQL sees it.
type Table struct {
	// Name that the SQL uses. SQL does not tell upper from lower case, in this
	// name as in those of columns.
	Name string
	// Schema lists the visible columns. A file's column must have the declared
	// name, in the same case, and a type that converts without loss of meaning:
	// a narrower number, a timestamp of another unit, or an array of such. A timestamp
	// without a zone is UTC; nanoseconds are cut off toward 1970. There are no arrays
	// of timestamps.
	Schema feature.Schema
	// Format of Files; empty means Parquet. In Delta, which is Parquet by the rules of
	// Delta tables, and in JSON a column that a file or a row lacks is null; in the
	// others each file must have all declared columns. CSV has a header line and no
	// arrays, and an empty field is null, quoted or not. JSON is one object a line. Both may be
	// compressed (.gz). A text must be a value of the declared type: an integer is
	// no 1.5, a JSON string no number, and a timestamp is RFC 3339 or SQL's form of
	// it, in UTC if it has no offset.
	Format feature.FileFormat
	// TimestampField is the column that is held to Interval; rows where it is null
	// are not visible. Empty: the whole table is visible.
	TimestampField string
	Interval       window.Interval
	// Files have absolute local paths, taken literally; their layouts may differ.
	// None is an empty table. A file that is changed while it is read ends the run.
	Files []source.File
}

// Query is one run of a view's SQL.
type Query struct {
	// SQL is one SELECT; WITH is allowed. $start_time and $end_time in it are the
	// bounds of Interval, as TIMESTAMP without a zone in UTC.
	SQL    string
	Tables []Table
	// Output lists the columns to return, in this order. Each must be in the SQL's
	// result under the same name with this type, or a number of 32 bits where this is
	// the same of 64.
	Output feature.Schema
	// TimestampField is the column of Output that is held to Interval; rows where it
	// is null are dropped.
	TimestampField string
	Interval       window.Interval
	Limits         Limits
	// OnProgress, if set, is called at least once a second while Run runs, from
	// its start on. Calls come from another goroutine, one at a time, and end before
	// Run returns.
	OnProgress func(Progress)
}

// Limits bound what one run takes from the machine.
type Limits struct {
	MemoryBytes int64  // of the engine; 0 means 1 GiB
	Threads     int    // 0 means one a core
	TempDir     string // where to spill; empty means not to spill
}

// Progress tells how far a run is.
type Progress struct {
	Rows     int64   // handed out so far
	Fraction float64 // estimate of the part done, 0 to 1; 0 while unknown
}

// Stats sums up a finished run.
type Stats struct {
	Rows int64 // handed out
}

// Description is what can be told about a statement without its data.
type Description struct {
	Schema feature.Schema // of the result
	// RowWise reports that the rows of the result come from one row each of the one
	// source, whatever the other rows and the interval are. Then a range may be cut
	// into runs in any way, and their results are the range's.
	RowWise bool
	// NotRowWise says for people why the statement is not known to be row-wise;
	// empty if it is.
	NotRowWise string
	// UsesBounds reports that the statement has $start_time or $end_time in it.
	UsesBounds bool
}

// Engine runs SQL. Implementations are safe for concurrent use; each call has
// limits of its own.
type Engine interface {
	// Describe tells what sql is and returns, over tables whose Files are ignored. A
	// column whose type is no feature.Type is an ErrSQL that says which cast to write.
	Describe(ctx context.Context, sql string, tables []Table) (Description, error)

	// Run hands the result to fn in records of bounded size with the schema
	// record.ArrowSchema(q.Output), none of them empty. fn must not use a record after
	// it returned unless it retains it. An error of fn ends the run and is returned as it
	// is. When ctx ends, Run returns ctx.Err() within moments.
	Run(ctx context.Context, q Query, fn func(arrow.Record) error) (Stats, error)
}
