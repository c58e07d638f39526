package delta

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tilery/tilery/pkg/offline"
	"github.com/tilery/tilery/pkg/window"
)

const mib = 1 << 20

var chooseDefaults = withCompactDefaults(offline.CompactRequest{})

// monthly is a table of hourly windows in monthly files, as far as choose sees it.
func monthly() *state {
	return newState(offline.Spec{Step: time.Hour, Partition: window.Month})
}

func (s *state) cover(start window.Time) { s.readAt[start] = start }

// addSized covers the hour from start with a file of the given bytes.
func (s *state) addSized(start window.Time, size int64) {
	s.cover(start)
	f := offline.File{
		Path: start.String(), Size: size, Rows: size, MinTime: start, MaxTime: start.Add(time.Hour) - 1,
		Partition: s.spec.Partition.Name(start),
	}
	s.files[f.Path] = f
}

// compactAll merges groups until there are none, and returns the bytes written.
func (s *state) compactAll(r offline.CompactRequest) (written int64) {
	for n := 0; ; n++ {
		groups := choose(s, r, 64<<10)
		if len(groups) == 0 {
			return written
		}
		for i, g := range groups {
			f := g[0]
			f.Path, f.Size, f.Rows = fmt.Sprint(f.Path, "+", n, "+", i), g.bytes(), g.rows()
			for _, from := range g {
				f.MaxTime = max(f.MaxTime, from.MaxTime)
				delete(s.files, from.Path)
			}
			s.files[f.Path] = f
			written += f.Size
		}
	}
}

var january = window.FromTime(time.Date(2001, 1, 1, 0, 0, 0, 0, time.UTC))

func TestAGrowingPartitionIsWrittenAgainOncePerTier(t *testing.T) {
	t.Parallel()
	for _, size := range []int64{mib / 100, mib / 4, mib, 3 * mib, 10 * mib, 100 * mib} {
		t.Run(fmt.Sprint(size, " bytes an hour"), func(t *testing.T) {
			t.Parallel()
			s := monthly()
			added, written, most := int64(0), int64(0), 0
			for hour := range 31 * 24 {
				s.addSized(january.Add(time.Duration(hour)*time.Hour), size)
				added += size
				written += s.compactAll(chooseDefaults)
				small := 0
				for _, f := range s.files {
					if f.Size < chooseDefaults.TargetBytes/4 {
						small++
					}
				}
				most = max(most, small)
			}
			t.Logf("each byte was written %.1f more times; at most %d small files, %d files at the end", float64(written)/float64(added), most, len(s.files))
			require.LessOrEqual(t, most, len(tiers)*defaultMinFiles)
			// Below the last tier files are so small that writing them again costs nothing.
			require.LessOrEqual(t, written, int64(len(tiers))*added+chooseDefaults.TargetBytes/4)
		})
	}
}

func TestAPartitionThatGrowsNoMoreBecomesFewFiles(t *testing.T) {
	t.Parallel()
	s := monthly()
	for hour := range 31 * 24 {
		s.addSized(january.Add(time.Duration(hour)*time.Hour), mib+int64(hour)*1000)
		s.compactAll(chooseDefaults)
	}
	s.cover(january.Add(31 * 24 * time.Hour)) // February
	s.compactAll(chooseDefaults)
	small := 0
	for _, f := range s.files {
		require.LessOrEqual(t, f.Size, chooseDefaults.TargetBytes)
		if f.Size < chooseDefaults.TargetBytes/4 {
			small++
		}
	}
	require.Less(t, small, defaultMinFiles)
	require.LessOrEqual(t, len(s.files), 20)
}

func TestNeighboursInTimeAreMerged(t *testing.T) {
	t.Parallel()
	s := monthly()
	for hour := range 200 {
		s.addSized(january.Add(time.Duration(hour*7%200)*time.Hour), mib)
	}
	groups := choose(s, chooseDefaults, 64<<10)
	require.NotEmpty(t, groups)
	end := window.MinTime
	for _, g := range groups {
		require.LessOrEqual(t, len(g), maxFanIn)
		for _, f := range g {
			require.GreaterOrEqual(t, f.MinTime, end)
			end = f.MaxTime
		}
	}
}

func TestACompactionIsBounded(t *testing.T) {
	t.Parallel()
	s := monthly()
	for hour := range 40 * 24 {
		s.addSized(january.Add(time.Duration(hour)*time.Hour), 10*mib)
	}
	r := chooseDefaults
	r.MaxBytes = 1
	require.Len(t, choose(s, r, 64<<10), 1)
	r.MaxBytes = 600 * mib
	read := int64(0)
	for _, g := range choose(s, r, 64<<10) {
		read += g.bytes()
		require.LessOrEqual(t, g.bytes(), r.TargetBytes)
		require.Equal(t, g[0].Partition, g[len(g)-1].Partition)
	}
	require.Greater(t, read, r.MaxBytes-r.TargetBytes)
	require.Less(t, read, r.MaxBytes+r.TargetBytes)

	s = monthly()
	for second := range 2 * maxFilesPerCall {
		s.addSized(january.Add(time.Duration(second)*time.Second), 100)
	}
	files := 0
	for _, g := range choose(s, chooseDefaults, 64<<10) {
		files += len(g)
	}
	require.LessOrEqual(t, files, maxFilesPerCall)

	s = monthly()
	for hour := range 31 * 24 {
		s.addSized(january.Add(time.Duration(hour)*time.Hour), 30*mib)
		f := s.files[january.Add(time.Duration(hour)*time.Hour).String()]
		f.Rows = 1000 // one row group
		s.files[f.Path] = f
	}
	for _, g := range choose(s, chooseDefaults, 64<<10) {
		require.LessOrEqual(t, g.bytes(), int64(maxMergeBytes), "their row groups are in memory at once")
	}
	s.compactAll(chooseDefaults)
	require.Empty(t, choose(s, chooseDefaults, 64<<10))
}
