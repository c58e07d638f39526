package aggregate

import (
	"math"
	"math/big"
	"sync"
	"sync/atomic"
)

// mapping gives positive Float64s of at least smallestNormal the indexes of a
// DDSketch. With a relative accuracy of alpha = 1/precision and
//
//	gamma = (1 + alpha) / (1 - alpha) = (precision + 1) / (precision - 1)
//
// an index i stands for all x with gamma^(i-1) < x <= gamma^i, by the one value
// 2·gamma^i / (gamma + 1), which is within alpha·x of each of them.
//
// Bounds and values are those of the real numbers, rounded once. A logarithm only
// guesses the index, since its last bit differs between machines; the bounds decide.
// They are computed when they are first needed, some at a time: there are up to
// 350,000, and data has few orders of magnitude.
type mapping struct {
	gamma, inverse *big.Float // inverse is 1/gamma
	share          *big.Float // 2/(gamma+1)
	multiplier     float64    // 1 / ln(gamma)

	least, most int // indexes of smallestNormal and of the largest Float64
	firstPage   int
	pages       []atomic.Pointer[mappingPage] // nil until needed
}

// mappingPage holds what belongs to neighbouring indexes.
type mappingPage [pageIndexes]struct {
	upper float64 // the largest Float64 up to gamma^i
	value float64
}

const (
	pageBits    = 6
	pageIndexes = 1 << pageBits
)

// smallestNormal is where zero ends: what lies nearer has too few bits for any
// relative accuracy.
const smallestNormal = 0x1p-1022

// mappings holds a *mapping for each precision that was asked for.
var mappings sync.Map

func mappingOf(precision int) *mapping {
	if m, ok := mappings.Load(precision); ok {
		return m.(*mapping)
	}
	m, _ := mappings.LoadOrStore(precision, newMapping(precision))
	return m.(*mapping)
}

// powerBits is enough to round any power as if it were exact. Those that a Float64
// is equal to are exact.
const powerBits = 256

func newMapping(precision int) *mapping {
	fraction := func(above, below int) *big.Float {
		return new(big.Float).SetPrec(powerBits).Quo(big.NewFloat(float64(above)), big.NewFloat(float64(below)))
	}
	m := &mapping{
		gamma:      fraction(precision+1, precision-1),
		inverse:    fraction(precision-1, precision+1),
		share:      fraction(precision-1, precision),
		multiplier: 1 / math.Log(float64(precision+1)/float64(precision-1)),
	}
	least, most := m.guess(smallestNormal)-2, m.guess(math.MaxFloat64)+1 // a guess is off by one at most
	m.firstPage = least >> pageBits
	m.pages = make([]atomic.Pointer[mappingPage], most>>pageBits-m.firstPage+1)
	m.least, m.most = m.index(smallestNormal), m.index(math.MaxFloat64)
	return m
}

func (m *mapping) guess(x float64) int { return int(math.Ceil(math.Log(x) * m.multiplier)) }

// index returns the least i with x <= gamma^i; x is normal and positive.
func (m *mapping) index(x float64) int {
	i := m.guess(x)
	if x > m.upper(i) {
		return i + 1
	}
	if x <= m.upper(i-1) {
		return i - 1
	}
	return i
}

func (m *mapping) upper(i int) float64 { return m.page(i)[i&(pageIndexes-1)].upper }

// value returns what index i, from least to most, stands for. That of the last
// index is the largest Float64 where the formula goes beyond.
func (m *mapping) value(i int) float64 { return m.page(i)[i&(pageIndexes-1)].value }

func (m *mapping) page(i int) *mappingPage {
	at := &m.pages[i>>pageBits-m.firstPage]
	page := at.Load()
	if page == nil {
		page = m.newPage(i >> pageBits)
		at.Store(page) // two may do so at once: with the same
	}
	return page
}

// newPage multiplies away from gamma^0, so that powers are exact where they can be.
func (m *mapping) newPage(number int) *mappingPage {
	base, at, step := m.gamma, 0, 1
	if number < 0 {
		base, at, step = m.inverse, pageIndexes-1, -1
	}
	page := new(mappingPage)
	power, x := m.power(number<<pageBits+at), new(big.Float).SetPrec(powerBits)
	for range page {
		page[at].upper = floor(power)
		value, _ := x.Mul(power, m.share).Float64()
		page[at].value = min(value, math.MaxFloat64)
		power.Mul(power, base)
		at += step
	}
	return page
}

// power returns gamma^i.
func (m *mapping) power(i int) *big.Float {
	base := m.gamma
	if i < 0 {
		base, i = m.inverse, -i
	}
	square := new(big.Float).Set(base)
	result := new(big.Float).SetPrec(powerBits).SetInt64(1)
	for ; i > 0; i >>= 1 {
		if i&1 == 1 {
			result.Mul(result, square)
		}
		square.Mul(square, square)
	}
	return result
}

// floor returns the largest Float64 that is not above x.
func floor(x *big.Float) float64 {
	nearest, accuracy := x.Float64()
	if accuracy == big.Above {
		return math.Nextafter(nearest, math.Inf(-1))
	}
	return nearest
}
