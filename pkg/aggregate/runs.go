package aggregate

import (
	"math/bits"
	"unsafe"
)

// runs hands out runs of cells that grow by powers of two, and takes them back for
// later ones: groups that fill up cost no allocation each, and none at all in
// memory that an earlier use has left.
type runs[T any] struct {
	chunks [][]T
	chunk  int // that the next run is cut from
	used   int // cells of it
	free   [maxRunClass + 1][][]T
	held   int64 // cells handed out
}

// maxRunClass is the class of the longest runs: 2^16 cells.
const maxRunClass = 16

// maxChunkBytes is where chunks stop to double: what is kept for later runs is no
// more than that, or half of all.
const maxChunkBytes = 1 << 20

// take returns an empty run with a capacity of cells, a power of two of at most
// 2^maxRunClass. Its cells hold what an earlier user left.
func (r *runs[T]) take(cells int) []T {
	r.held += int64(cells)
	class := bits.TrailingZeros(uint(cells))
	if of := r.free[class]; len(of) > 0 {
		run := of[len(of)-1]
		r.free[class] = of[:len(of)-1]
		return run
	}
	for r.chunk < len(r.chunks) && len(r.chunks[r.chunk])-r.used < cells {
		r.chunk, r.used = r.chunk+1, 0
	}
	if r.chunk == len(r.chunks) {
		r.chunks = append(r.chunks, make([]T, r.chunkCells(cells)))
	}
	run := r.chunks[r.chunk][r.used:][:0:cells]
	r.used += cells
	return run
}

// chunkCells is the length of the next chunk, which a run of cells is cut from.
func (r *runs[T]) chunkCells(cells int) int {
	var cell T
	next := 8 // a request online has a group or two
	if r.chunk > 0 {
		next = min(2*len(r.chunks[r.chunk-1]), maxChunkBytes/int(unsafe.Sizeof(cell)))
	}
	return max(next, cells)
}

// give takes a run back. What it holds is intact until the next take.
func (r *runs[T]) give(run []T) {
	if cap(run) == 0 {
		return
	}
	r.held -= int64(cap(run))
	class := bits.TrailingZeros(uint(cap(run)))
	r.free[class] = append(r.free[class], run[:0])
}

// grown returns run with room for n cells: itself, or a copy in a longer one.
func (r *runs[T]) grown(run []T, n int) []T {
	if n <= cap(run) {
		return run
	}
	longer := append(r.take(powerOfTwo(n)), run...)
	r.give(run)
	return longer
}

// reset takes all runs back.
func (r *runs[T]) reset() {
	r.chunk, r.used, r.held = 0, 0, 0
	for class := range r.free {
		r.free[class] = r.free[class][:0]
	}
}

// bytes is the memory of the runs that are handed out.
func (r *runs[T]) bytes() int64 {
	var cell T
	return r.held * int64(unsafe.Sizeof(cell))
}

// powerOfTwo returns the least power of two that is not below n > 0.
func powerOfTwo(n int) int { return 1 << bits.Len(uint(n-1)) }
