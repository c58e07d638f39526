package delta

import (
	"cmp"
	"slices"

	"github.com/tilery/tilery/pkg/offline"
	"github.com/tilery/tilery/pkg/window"
)

// Bounds of one compaction.
const (
	maxFanIn        = 64        // files that are merged at once
	maxFilesPerCall = 10_000    // that are replaced: a version must hold their names
	maxMergeBytes   = 128 << 20 // of the row groups, compressed, that one merge reads at once
)

// tiers are the parts of TargetBytes below which sizes are alike. Files of the
// first and larger stay as they are.
var tiers = []int64{4, 32, 256}

// group is a set of files, of one partition, to merge into one.
type group []offline.File

func (g group) bytes() (total int64) {
	for _, f := range g {
		total += f.Size
	}
	return total
}

// choose returns the groups that a compaction of s merges, within the request's
// bounds; none when there is nothing to do.
//
// Of the partition that still grows only files of similar size are merged, so that
// a row is written again about once a tier, however many windows follow: merging
// all small files each time would write an hourly view's month again every few
// hours. Neighbours in time are merged, so that a file spans few windows: replacing
// one copies the rest of each file that spans it.
func choose(s *state, r offline.CompactRequest, rowGroupRows int64) (groups []group) {
	// Rows without windows may come into any partition.
	growing, all := s.growing(), s.spec.Sequence != ""
	read, files := int64(0), 0
	for _, partition := range s.partitions() {
		for _, alike := range byTier(partition, r.TargetBytes, all || partition[0].Partition == growing) {
			for _, g := range chunks(alike, r, rowGroupRows) {
				if read >= r.MaxBytes || files+len(g) > maxFilesPerCall {
					return groups
				}
				read += g.bytes()
				files += len(g)
				groups = append(groups, g)
			}
		}
	}
	return groups
}

// growing returns the partition that the next windows will come into: that of the
// last covered one.
func (s *state) growing() string {
	last := window.MinTime
	for start := range s.readAt {
		last = max(last, start.Add(s.spec.Step)-1)
	}
	return s.spec.Partition.Name(last)
}

// partitions returns the live files of s by partition, each in order of time.
func (s *state) partitions() [][]offline.File {
	files := s.live()
	slices.SortStableFunc(files, func(a, b offline.File) int {
		return cmp.Or(cmp.Compare(a.Partition, b.Partition), cmp.Compare(a.MinTime, b.MinTime))
	})
	var out [][]offline.File
	for i, f := range files {
		if i == 0 || f.Partition != files[i-1].Partition {
			out = append(out, nil)
		}
		out[len(out)-1] = append(out[len(out)-1], f)
	}
	return out
}

// byTier divides the files that are small beside target by their size, if apart is
// set, and keeps their order.
func byTier(files []offline.File, target int64, apart bool) [][]offline.File {
	out := make([][]offline.File, len(tiers))
	for _, f := range files {
		tier := -1
		for i, part := range tiers {
			if f.Size < target/part && (apart || i == 0) {
				tier = i
			}
		}
		if tier >= 0 {
			out[tier] = append(out[tier], f)
		}
	}
	return out
}

// chunks cuts files into groups that one merge can take and that are worth it:
// those of many files, and those that make a file which stays.
func chunks(files []offline.File, r offline.CompactRequest, rowGroupRows int64) (out []group) {
	var open group
	bytes, memory := int64(0), int64(0)
	end := func(full bool) {
		if len(open) > 1 && (full || len(open) >= r.MinFiles || bytes >= r.TargetBytes/2) {
			out = append(out, open)
		}
		open, bytes, memory = nil, 0, 0
	}
	for _, f := range files {
		held := f.Size * min(f.Rows, rowGroupRows) / f.Rows
		if len(open) == maxFanIn || bytes+f.Size > r.TargetBytes || memory+held > maxMergeBytes {
			end(true)
		}
		open = append(open, f)
		bytes += f.Size
		memory += held
	}
	end(false)
	return out
}
