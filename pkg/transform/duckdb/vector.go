package duckdb

import (
	"unsafe"

	bindings "github.com/duckdb/duckdb-go-bindings"
)

// vector is a run of rows in DuckDB's memory of one column of a chunk. It must not
// outlive the chunk.
type vector struct {
	handle bindings.Vector
	first  int // the run's first row
	rows   int
	data   unsafe.Pointer
	valid  []byte // bit first+i tells that row i is not null; nil when none is
}

func flatVector(v bindings.Vector, rows int) vector {
	out := vector{handle: v, rows: rows, data: bindings.VectorGetData(v)}
	if mask := bindings.VectorGetValidity(v); mask != nil {
		out.valid = unsafe.Slice((*byte)(mask), (rows+63)/64*8)
	}
	return out
}

// run returns count rows of v from from on.
func (v vector) run(from, count int) vector {
	v.first += from
	v.rows = count
	return v
}

func (v vector) null(i int) bool {
	i += v.first
	return v.valid != nil && v.valid[i/8]>>(i%8)&1 == 0
}

// values returns the rows of v, whose values are laid out as T.
func values[T any](v vector) []T {
	return unsafe.Slice((*T)(v.data), v.first+v.rows)[v.first:]
}

// list is where the elements of a row lie among those of all rows.
type list struct{ from, length uint64 }

// elements returns the elements of all rows of a vector of lists. What functions of
// lists return is flat too: TestListsArriveWhateverMadeThem.
func (v vector) elements() vector {
	return flatVector(bindings.ListVectorGetChild(v.handle), int(bindings.ListVectorGetSize(v.handle)))
}

// text is DuckDB's string: up to 12 bytes lie in rest, more lie where the
// pointer in the last 8 bytes of rest leads. rest is bytes to Go, so that Go never takes text for an address.
type text struct {
	length uint32
	rest   [12]byte
}

const inlineBytes = 12

func (t *text) bytes() []byte {
	if t.length <= inlineBytes {
		return t.rest[:t.length]
	}
	return unsafe.Slice(*(**byte)(unsafe.Pointer(&t.rest[4])), t.length)
}

// textRows copies a chunk of VARCHAR columns; nulls become "".
func textRows(chunk bindings.DataChunk) [][]string {
	rows := make([][]string, bindings.DataChunkGetSize(chunk))
	width := int(bindings.DataChunkGetColumnCount(chunk))
	for c := range width {
		v := flatVector(bindings.DataChunkGetVector(chunk, bindings.IdxT(c)), len(rows))
		texts := values[text](v)
		for i := range rows {
			if c == 0 {
				rows[i] = make([]string, width)
			}
			if !v.null(i) {
				rows[i][c] = string(texts[i].bytes())
			}
		}
	}
	return rows
}
