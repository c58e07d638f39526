// Package aggregate is the one implementation of every aggregation function:
// batch tiles, stream tiles, online reads and point-in-time joins all add,
// merge and finish through it.
//
// # What it guarantees
//
// The result of Finish, the encoded bytes and the tile columns of a group are a
// function of the set of rows that went in: how they were cut into tiles, in
// which order the tiles were merged and how often they were written and read in
// between cannot be seen, not in one bit. That is what makes online equal to
// offline without a tolerance, so every state is exact:
//
//   - count is an int64.
//   - An Int64 sum is a 128-bit integer. It is null when it does not fit 64 bits
//     at the end; on the way there it may.
//   - A Float64 sum is the exact real number, rounded once, to nearest with ties
//     to even, when it is finished. It overflows to an infinity only if the exact
//     sum does. NaN and infinities are counted beside it: any NaN, or infinities
//     of both signs, make NaN. A zero is always +0.
//   - A mean is the exact sum divided by the count, rounded once. The mean of an
//     Int64 column that sums past 64 bits is therefore still a number.
//   - A variance is (nQ-S²)/n², of a sample (nQ-S²)/(n(n-1)), from the count n and
//     the exact sums S of values and Q of squares; it, or its root for a standard
//     deviation, is rounded once. So nothing cancels, and a standard deviation is
//     finite where its variance overflows.
//   - min and max order Float64 as numbers with NaN above +Inf; -0 and +0 are
//     equal and kept as +0, every NaN as one bit pattern. Strings order by bytes.
//   - first, last and their distinct kin order rows by time, and those of one time
//     by value. A list ends before its values take more than 64 KiB, but has at
//     least one; the state keeps the value that would have exceeded it, or a merge
//     could go on behind it.
//   - approx_count_distinct keeps the xxHash64 of each value: the set itself up to
//     64, so exact, then 2^p HyperLogLog registers, with a standard error of about
//     1.04/sqrt(2^p) (6.5% by default) and a mean excess of about 1.08/2^p.
//   - approx_percentile is the lower quantile, the value of rank floor(q(n-1)):
//     exact up to 256 values, beyond that of a DDSketch within 1/precision of it
//     (1% by default). Tecton has a t-Digest, which depends on the order of merging.
//     At most 2048 bins a sign are kept: magnitudes further below the largest (a
//     factor of 6·10^17 by default, 3,600 at precision 500) count as the lowest bin,
//     those below the smallest normal number as zero.
//
// Int32 and Float32 are computed as Int64 and Float64; min, max, first and last
// return the input's type.
//
// Nulls are left out. A group that no row and no tile went into is null in every
// function, count too; a group of nulls only has count 0 and is null elsewhere.
//
// # How a Float64 sum stays exact
//
// Three doubles whose exact sum is the value absorb nearly all data without
// memory beyond themselves (float64_sum.go). What they cannot hold, and values
// near the end of the range, goes to a fixed-point number as wide as all
// doubles, 272 bytes (fixed.go). Both are exact, so which of them holds which
// bits is history, and history never leaves the package: everything written or
// finished is computed from the number they stand for.
//
// # How it fails
//
// Data that this package cannot have written is ErrDamaged, never a panic, and
// no length is believed before it is checked. After an error the groups hold a
// part of the data: Reset them. Arrays, builders and group numbers that do not
// fit the layout are programming errors and panic. A group holds at most 2^56
// rows; nothing checks that while adding.
//
// # How to add a function
//
// A new kind of partial is one file with one type that implements partial
// (partial.go) and one case in newPartial; a new function over existing kinds is
// one case in Finish (finish.go).
package aggregate
