package retrieve

import (
	"errors"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
)

// What a row costs beside its values, about.
const (
	recordBytes = 256
	rowBytes    = 96 // while its features of a view are looked for
	placeBytes  = 8  // for each view
	textBytes   = 32 // guess of a value of a type whose values differ in size
)

// errBlockFull is a block whose features take more memory than they may.
var errBlockFull = errors.New("features of a block do not fit into memory")

// budget divides the memory of a join.
type budget struct {
	block    int64 // the spine's rows and what they cost beside their features
	features int64 // what batches gave of a block, beyond what was guessed
	files    int64 // those that a thread has open
	row      int64 // guessed cost of a row beside the spine's values
	guess    int64 // of it the features
}

func newBudget(o Options, parts []*part) budget {
	b := budget{block: o.MemoryBytes / 2, features: o.MemoryBytes / 4, files: o.MemoryBytes / 4 / int64(o.Threads), row: rowBytes}
	for _, p := range parts {
		b.row += placeBytes
		for _, t := range p.types {
			b.guess += widthOf(t)
		}
	}
	b.row += b.guess
	return b
}

// full reports whether a block of so many rows and bytes of values is large enough.
// The values count twice, for the keys that are made of them.
func (b budget) full(rows int, bytes int64) bool { return 2*bytes+int64(rows)*b.row >= b.block }

// room is what the features of a block may take.
func (b budget) room(rows int) int64 { return b.features + int64(rows)*b.guess }

// What a column of an open file takes, about, and the rows of a record then: with few
// files a row group's at once, and else a part of that.
const (
	wideColumnBytes, wideRecordRows     = 3 << 19, 64 << 10
	narrowColumnBytes, narrowRecordRows = 3 << 17, 8 << 10
)

// openFiles returns the rows of a record of files that are open together, and whether
// bytes suffice for all of them to be open.
func openFiles(bytes int64, files, columns int) (rows int, all bool) {
	total := int64(files) * int64(columns)
	if total*wideColumnBytes <= bytes {
		return wideRecordRows, true
	}
	return narrowRecordRows, total*narrowColumnBytes <= bytes
}

// columnBytes returns the bytes of a column's values.
func columnBytes(column arrow.Array) int64 {
	rows := column.Len()
	if rows == 0 {
		return 0
	}
	switch column := column.(type) {
	case *array.String:
		return int64(rows)*4 + int64(column.ValueOffset(rows)-column.ValueOffset(0))
	case *array.List:
		from, _ := column.ValueOffsets(0)
		_, to := column.ValueOffsets(rows - 1)
		elements := array.NewSlice(column.ListValues(), from, to)
		defer elements.Release()
		return int64(rows)*4 + columnBytes(elements)
	}
	return int64(rows) * widthOf(column.DataType())
}

// widthOf returns the bytes of a value of a type, or guesses them.
func widthOf(t arrow.DataType) int64 {
	if fixed, ok := t.(arrow.FixedWidthDataType); ok {
		return max(1, int64(fixed.BitWidth())/8)
	}
	return textBytes
}
