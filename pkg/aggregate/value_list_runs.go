package aggregate

// textRuns are runs of bytes of any length.
type textRuns struct {
	short runs[byte]
	long  int64 // bytes in longer ones, which are left to the garbage collector
}

// grown returns run with room for n bytes: itself, or a copy in a longer one.
func (r *textRuns) grown(run []byte, n int) []byte {
	if n <= cap(run) {
		return run
	}
	longer := append(r.take(n), run...)
	if cap(run) > 1<<maxRunClass {
		r.long -= int64(cap(run))
	} else {
		r.short.give(run)
	}
	return longer
}

// take returns an empty run with room for n bytes.
func (r *textRuns) take(n int) []byte {
	if n > 1<<maxRunClass {
		r.long += int64(n)
		return make([]byte, 0, n)
	}
	return r.short.take(powerOfTwo(n))
}

func (r *textRuns) reset() {
	r.short.reset()
	r.long = 0
}

func (r *textRuns) bytes() int64 { return r.short.bytes() + r.long }
