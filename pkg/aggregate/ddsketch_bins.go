package aggregate

import "encoding/binary"

// maxBins is how many bins of one sign there are at most.
const maxBins = 2048

// bins counts the values of one sign, of each index from low to low+span-1. The
// first and the last of them are not 0.
//
// There are at most maxBins. If the indexes lie further apart, the lowest are
// counted as the lowest that is left, maxBins-1 below the highest: quantiles that
// fall there are too far from zero, all others keep their accuracy. This is so at
// every time, and so a function of the counts alone.
//
// Encoded: the number of bins that are not 0, as a uvarint; and for each of them how
// far its index is above the one before and one more (the first: above the least of
// the mapping), and its count, as uvarints.
type bins struct {
	counts []uint64 // that of index i is counts[i mod len]; len is a power of two
	low    int
	span   int
}

// minRun is the least length of counts.
const minRun = 8

// high is the last index that has a bin.
func (b *bins) high() int { return b.low + b.span - 1 }

func (b *bins) at(i int) *uint64 { return &b.counts[i&(len(b.counts)-1)] }

// add counts n values of index i; counts are in the memory of cells.
func (b *bins) add(i int, n uint64, cells *runs[uint64]) {
	if uint(i-b.low) >= uint(b.span) {
		i = b.cover(i, cells)
	}
	*b.at(i) += n
}

// cover makes i, or the index that i is counted as, one of b's and returns it.
func (b *bins) cover(i int, cells *runs[uint64]) int {
	low, high := i, i
	if b.span > 0 {
		low, high = min(low, b.low), max(high, b.high())
	}
	low = max(low, high-maxBins+1)
	collapsed := b.cutBelow(low)
	if high-low+1 > len(b.counts) {
		b.resize(powerOfTwo(max(high-low+1, minRun)), cells)
	}
	b.low, b.span = low, high-low+1
	if collapsed > 0 {
		*b.at(low) += collapsed
	}
	return max(i, low)
}

// cutBelow takes the bins below low away and returns how many values they had.
func (b *bins) cutBelow(low int) (values uint64) {
	for ; b.span > 0 && b.low < low; b.low, b.span = b.low+1, b.span-1 {
		values += *b.at(b.low)
		*b.at(b.low) = 0
	}
	return values
}

func (b *bins) resize(length int, cells *runs[uint64]) {
	longer := bins{counts: cells.take(length)[:length]}
	clear(longer.counts)
	for i := b.low; i <= b.high(); i++ {
		*longer.at(i) = *b.at(i)
	}
	cells.give(b.counts)
	b.counts = longer.counts
}

// merge adds the values of other, which may be b, from the highest index on: so
// nothing is moved that the others would move again.
func (b *bins) merge(other *bins, cells *runs[uint64]) {
	for i := other.high(); i >= other.low; i-- {
		if n := *other.at(i); n > 0 {
			b.add(i, n, cells)
		}
	}
}

// total is the number of values.
func (b *bins) total() (n uint64) {
	for i := b.low; i <= b.high(); i++ {
		n += *b.at(i)
	}
	return n
}

func (b *bins) append(dst []byte, m *mapping) []byte {
	used := uint64(0)
	for i := b.low; i <= b.high(); i++ {
		if *b.at(i) > 0 {
			used++
		}
	}
	dst = binary.AppendUvarint(dst, used)
	next := m.least
	for i := b.low; i <= b.high(); i++ {
		if n := *b.at(i); n > 0 {
			dst = binary.AppendUvarint(binary.AppendUvarint(dst, uint64(i-next)), n)
			next = i + 1
		}
	}
	return dst
}

// mergeEncoded adds what append wrote, at most limit values, and returns how many.
func (b *bins) mergeEncoded(data []byte, limit uint64, m *mapping, cells *runs[uint64]) (values uint64, rest []byte, err error) {
	used, rest, err := cutUvarint(data, maxBins)
	next, most := m.least, m.most
	for range used {
		var above, n uint64
		if next > most {
			return 0, nil, damaged("bins further apart than %d", maxBins)
		}
		if above, rest, err = cutUvarint(rest, uint64(most-next)); err != nil {
			return 0, nil, err
		}
		if n, rest, err = cutUvarint(rest, limit-values); err != nil {
			return 0, nil, err
		}
		if n == 0 {
			return 0, nil, damaged("a bin without values")
		}
		at := next + int(above)
		if values == 0 {
			most = min(most, at+maxBins-1)
		}
		b.add(at, n, cells)
		values += n
		next = at + 1
	}
	return values, rest, err
}
