package feature

import (
	"fmt"
	"slices"
	"time"

	"github.com/tilery/tilery/pkg/window"
)

// maxBlockBytes is about how large the tiles that are kept together may get: with
// room for states larger than usual it is below what one item of a store holds.
const maxBlockBytes = 256 << 10

// MaxSecondaryKeys is how many values of aggregation_secondary_key one window of an
// entity may hold to be served or joined.
const MaxSecondaryKeys = 1000

// BlockLength returns how long a stretch of tiles is kept together online:
// window.BlockLength, or less where the states are large.
func (v BatchFeatureView) BlockLength() time.Duration {
	bytes := 1
	seen := map[Partial]bool{}
	for _, a := range v.Aggregations {
		partials, _ := a.partials(InvalidType) // an unknown function is refused elsewhere
		for _, p := range partials {
			if !seen[p] {
				seen[p] = true
				bytes += p.typicalBytes()
			}
		}
	}
	length := window.BlockLength(v.Interval())
	tiles := min(int(length/v.Interval()), max(1, maxBlockBytes/bytes))
	return time.Duration(tiles) * v.Interval()
}

// minLifetimeBlock is the least BlockLength of a view with lifetime windows: 1,300
// blocks are 21 years then.
const minLifetimeBlock = 6 * day

// HasLifetime reports whether one of the aggregations is over the lifetime.
func (v BatchFeatureView) HasLifetime() bool {
	return slices.ContainsFunc(v.Aggregations, func(a Aggregation) bool { return a.TimeWindow.Lifetime })
}

// Reach returns how long before the leading edge the windows of the aggregations
// start at most, the lifetime left out; zero without any.
func (v BatchFeatureView) Reach() time.Duration {
	var reach time.Duration
	for _, a := range v.Aggregations {
		if !a.TimeWindow.Lifetime {
			reach = max(reach, a.TimeWindow.reach())
		}
	}
	return reach
}

// LifetimeStart returns where lifetime windows start: the tile of lifetime_start_time.
func (v BatchFeatureView) LifetimeStart() window.Time {
	return v.LifetimeStartTime.Floor(v.Interval())
}

// WindowsStart returns where the earliest window of the aggregations starts when
// they are read at edge.
func (v BatchFeatureView) WindowsStart(edge window.Time) window.Time {
	start := edge.Add(-v.Reach())
	if v.HasLifetime() {
		start = min(start, v.LifetimeStart())
	}
	return start
}

// TimeWindows returns the windows of the aggregations, each once, in the order of
// their first use.
func (v BatchFeatureView) TimeWindows() []TimeWindow {
	var out []TimeWindow
	for _, a := range v.Aggregations {
		if !slices.Contains(out, a.TimeWindow) {
			out = append(out, a.TimeWindow)
		}
	}
	return out
}

// aggregatedNames returns the names of the features of a view with aggregations:
// theirs, and with a secondary key those of its lists,
// {secondary key}_keys_{window}, for instance "ad_id_keys_7d_offset_1d".
func (v BatchFeatureView) aggregatedNames() []string {
	names := make([]string, 0, len(v.Aggregations))
	for _, a := range v.Aggregations {
		names = append(names, a.FeatureName(v.AggregationInterval))
	}
	if v.AggregationSecondaryKey == "" {
		return names
	}
	for _, w := range v.TimeWindows() {
		size, suffix := w.names()
		names = append(names, fmt.Sprintf("%s_keys_%s%s", v.AggregationSecondaryKey, size, suffix))
	}
	return names
}
