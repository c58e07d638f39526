package aggregate_test

import (
	"math"
	"strings"

	"pgregory.net/rapid"

	"github.com/tilery/tilery/pkg/feature"
)

// drawn returns how the values of one column are drawn. What makes them special
// is drawn first: one NaN hides what all other rows of a group do.
func drawn(t *rapid.T, of feature.Type) func(*rapid.T) any {
	switch of {
	case feature.Bool:
		return func(t *rapid.T) any { return rapid.Bool().Draw(t, "bool") }
	case feature.Int32:
		integer := rapid.OneOf(rapid.SampledFrom([]int32{0, -1, math.MaxInt32, math.MinInt32}), rapid.Int32(), rapid.Int32Range(-9, 9))
		return func(t *rapid.T) any { return integer.Draw(t, "int32") }
	case feature.Int64, feature.Timestamp:
		integer := rapid.OneOf(rapid.SampledFrom([]int64{0, -1, math.MaxInt64, math.MinInt64, 1 << 53, 1<<53 + 1}), rapid.Int64(), rapid.Int64Range(-9, 9))
		return func(t *rapid.T) any { return integer.Draw(t, "int64") }
	case feature.Float32:
		float := floats(t)
		return func(t *rapid.T) any { return float32Of(float(t)) }
	case feature.Float64:
		float := floats(t)
		return func(t *rapid.T) any { return float(t) }
	case feature.String:
		return texts(t)
	}
	element := drawn(t, of.Element())
	// Texts may be so wide that arrays of few are long enough.
	long := of.Element() != feature.String && rapid.IntRange(0, 9).Draw(t, "long") == 9
	return func(t *rapid.T) any { return drawArray(t, element, long) }
}

// drawArray draws up to three elements; with long now and then so many that few
// such arrays fit a list.
func drawArray(t *rapid.T, element func(*rapid.T) any, long bool) any {
	out := []any{}
	for range rapid.IntRange(0, 3).Draw(t, "length") {
		if rapid.Bool().Draw(t, "null element") {
			out = append(out, nil)
		} else {
			out = append(out, element(t))
		}
	}
	if long && len(out) == 3 {
		for i := range rapid.SampledFrom([]int{3000, 9000}).Draw(t, "longer") {
			out = append(out, out[i%3])
		}
	}
	return out
}

// texts draws short texts; in some cases so wide ones that few fit a list, or not
// even one.
func texts(t *rapid.T) func(*rapid.T) any {
	short := rapid.OneOf(rapid.SampledFrom([]string{"", "a", "aa", "\x00", "\xff", "é"}), rapid.StringN(0, 8, -1))
	widest := rapid.SampledFrom([]int{0, 0, 0, 20_000, 32_768, 70_000}).Draw(t, "widest")
	return func(t *rapid.T) any {
		text := short.Draw(t, "text")
		if widest > 0 && rapid.Bool().Draw(t, "wide") {
			return strings.Repeat("w", widest-len(text)) + text
		}
		return text
	}
}

var edgeFloats = []float64{
	0, math.Copysign(0, -1), 1, -1, 0.1, 1.0 / 3, 1 << 53, 1<<53 + 2, 0x1p-53,
	1e300, -1e300, 1e-300, -1e-300, 1e308, -1e308, math.MaxFloat64, -math.MaxFloat64, 0x1p960, -0x1p959, 0x1p970, 0x1.8p1022,
	1e160, -1e154, 1e-160, -1e-163,
	math.SmallestNonzeroFloat64, -math.SmallestNonzeroFloat64, 0x1p-1022, 0x1.8p-1060, -0x0.fffffffffffffp-1022,
}

var specialFloats = []float64{math.NaN(), math.Float64frombits(0xfff8000000000123), math.Inf(1), math.Inf(-1)}

// floats draws the flavours of the numbers of a column, and then these.
func floats(t *rapid.T) func(*rapid.T) float64 {
	const (
		cancelling = iota
		hundredths
		special
		anything
		farApart
		ties
		edge
	)
	flavours := rapid.SampledFrom([][]int{
		{farApart, cancelling}, {hundredths, cancelling}, {ties},
		{cancelling, hundredths, special, anything, farApart, ties, edge},
	}).Draw(t, "flavours")
	specials := rapid.Bool().Draw(t, "specials")
	earlier := []float64{0}
	draw := func(t *rapid.T) float64 {
		switch rapid.SampledFrom(flavours).Draw(t, "flavour") {
		case cancelling:
			return -rapid.SampledFrom(earlier).Draw(t, "cancelled")
		case hundredths:
			return float64(rapid.IntRange(-100, 100).Draw(t, "hundredths")) / 100
		case special:
			if specials {
				return rapid.SampledFrom(specialFloats).Draw(t, "special")
			}
			return math.MaxFloat64
		case anything:
			return rapid.Float64().Draw(t, "float")
		case farApart: // more than three doubles hold
			sign := rapid.SampledFrom([]float64{1, -1}).Draw(t, "sign")
			return math.Ldexp(sign/3, rapid.SampledFrom([]int{900, 700, 500, 300, 100, -100, -300, -500, -700, -900}).Draw(t, "exponent"))
		case ties: // sums that lie between two doubles
			return rapid.SampledFrom([]float64{1 << 53, 1 << 54, 1, 3, -1}).Draw(t, "tie")
		default:
			return rapid.SampledFrom(edgeFloats).Draw(t, "edge")
		}
	}
	return func(t *rapid.T) float64 {
		x := draw(t)
		earlier = append(earlier, x)
		return x
	}
}

// float32Of moves the exponents of x into the range of Float32, so that few
// numbers become infinite or zero.
func float32Of(x float64) float32 {
	fraction, exponent := math.Frexp(x)
	return float32(math.Ldexp(fraction, exponent/7))
}
