package duckdb

import (
	"unsafe"

	bindings "github.com/duckdb/duckdb-go-bindings"
)

// vector is DuckDB's memory of one column of a chunk. It must not outlive the chunk.
type vector struct {
	rows  int
	data  unsafe.Pointer
	valid []byte // bit i tells that row i is not null; nil when none is
}

func flatVector(v bindings.Vector, rows int) vector {
	out := vector{rows: rows, data: bindings.VectorGetData(v)}
	if mask := bindings.VectorGetValidity(v); mask != nil {
		out.valid = unsafe.Slice((*byte)(mask), (rows+63)/64*8)
	}
	return out
}

func (v vector) null(i int) bool { return v.valid != nil && v.valid[i/8]>>(i%8)&1 == 0 }

func (v vector) bytes() []byte { return unsafe.Slice((*byte)(v.data), v.rows) }

func (v vector) words() []int64 { return unsafe.Slice((*int64)(v.data), v.rows) }

func (v vector) texts() []text { return unsafe.Slice((*text)(v.data), v.rows) }

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
		texts := v.texts()
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
