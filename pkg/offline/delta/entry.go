package delta

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"

	"github.com/tilery/tilery/pkg/bucket"
	"github.com/tilery/tilery/pkg/offline"
	"github.com/tilery/tilery/pkg/window"
)

// windowPrefix begins the application id of a window's transaction.
const windowPrefix = "w/"

// appendPrefix begins the application id of what was ingested, before its name.
const appendPrefix = "i/"

// windowInfo is a window in commitInfo, for people. The transactions decide.
type windowInfo struct {
	window.Interval
	ReadAt window.Time `json:"read_at"`
	Rows   int64       `json:"rows"`
}

// appendInfo is an ingest in commitInfo, for people.
type appendInfo struct {
	Name string `json:"name"`
	Rows int64  `json:"rows"`
}

// note adds a build to what people are told.
func (i *tileryInfo) note(b offline.Build) {
	if b.Append != "" {
		i.Appends = append(i.Appends, appendInfo{b.Append, b.Rows})
		return
	}
	i.Windows = append(i.Windows, windowInfo{b.Window, b.ReadAt, b.Rows})
}

// Tags of a file: what Delta's own fields do not hold, or only to the millisecond.
const (
	tagSeq       = "seq"
	tagWrittenAt = "written_at"
	tagMinTime   = "min_time"
	tagMaxTime   = "max_time"
)

func addOf(f offline.File) addFile {
	return addFile{
		Path:             f.Path,
		PartitionValues:  map[string]string{partitionColumn: f.Partition},
		Size:             f.Size,
		ModificationTime: f.WrittenAt.Time().UnixMilli(),
		DataChange:       true,
		Stats:            f.Stats,
		Tags: map[string]string{
			tagSeq:       strconv.FormatInt(f.Seq, 10),
			tagWrittenAt: f.WrittenAt.String(),
			tagMinTime:   f.MinTime.String(),
			tagMaxTime:   f.MaxTime.String(),
		},
	}
}

func removeOf(f offline.File, millis int64) removeFile {
	return removeFile{
		Path:                 f.Path,
		DeletionTimestamp:    millis,
		DataChange:           true,
		ExtendedFileMetadata: true,
		PartitionValues:      map[string]string{partitionColumn: f.Partition},
		Size:                 f.Size,
	}
}

// time returns when a file was removed; zero: the log does not say.
func (r removeFile) time() window.Time {
	return timeOfMillis(r.DeletionTimestamp)
}

// timeOfMillis takes what other programs may write; what is no time is zero.
func timeOfMillis(millis int64) window.Time {
	if millis < 0 || millis > int64(window.MaxTime)/1000 {
		return 0
	}
	return window.Time(millis * 1000)
}

// file returns the file that an add describes.
func (a addFile) file(spec offline.Spec) (offline.File, error) {
	none := offline.File{}
	if len(a.Tags) == 0 || len(a.DeletionVector) > 0 && string(a.DeletionVector) != "null" {
		return none, fmt.Errorf("%w: file %s was written by another program, so its rows may be in any order", offline.ErrMismatch, a.Path)
	}
	var stats struct {
		Rows int64 `json:"numRecords"`
	}
	if err := json.Unmarshal([]byte(a.Stats), &stats); err != nil {
		return none, fmt.Errorf("%w: statistics of file %s: %w", offline.ErrCorrupt, a.Path, err)
	}
	f := offline.File{
		Path:      a.Path,
		Size:      a.Size,
		Rows:      stats.Rows,
		Partition: a.PartitionValues[partitionColumn],
		Stats:     a.Stats,
	}
	seq, err := strconv.ParseInt(a.Tags[tagSeq], 10, 64)
	if err != nil {
		return none, fmt.Errorf("%w: tag %s of file %s: %w", offline.ErrCorrupt, tagSeq, a.Path, err)
	}
	f.Seq = seq
	for tag, into := range map[string]*window.Time{tagWrittenAt: &f.WrittenAt, tagMinTime: &f.MinTime, tagMaxTime: &f.MaxTime} {
		if *into, err = window.Parse(a.Tags[tag]); err != nil {
			return none, fmt.Errorf("%w: tag %s of file %s: %w", offline.ErrCorrupt, tag, a.Path, err)
		}
	}
	if err := checkFile(spec, f); err != nil {
		return none, fmt.Errorf("%w: %w", offline.ErrCorrupt, err)
	}
	return f, nil
}

// checkFile refuses a file that contradicts itself or its table.
func checkFile(spec offline.Spec, f offline.File) error {
	if err := bucket.ValidateKey(spec.Path + "/" + f.Path); err != nil {
		return err
	}
	folder := partitionColumn + "=" + f.Partition + "/"
	switch {
	case f.Rows <= 0 || f.Size <= 0:
		return fmt.Errorf("file %s has %d rows in %d bytes", f.Path, f.Rows, f.Size)
	case f.MinTime > f.MaxTime:
		return fmt.Errorf("file %s ends at %v, before it begins at %v", f.Path, f.MaxTime, f.MinTime)
	case spec.Partition.Name(f.MinTime) != f.Partition, spec.Partition.Name(f.MaxTime) != f.Partition:
		return fmt.Errorf("file %s with times from %v to %v crosses partition %s", f.Path, f.MinTime, f.MaxTime, f.Partition)
	case !strings.HasPrefix(f.Path, folder):
		return fmt.Errorf("file %s lies outside folder %s", f.Path, folder)
	}
	return nil
}

// reach returns the interval from the first to the last row of f.
func reach(f offline.File) window.Interval {
	return window.Interval{Start: f.MinTime, End: f.MaxTime + 1}
}

// buildTxn returns the transaction by which a build is known to be in the table.
func buildTxn(b offline.Build, millis int64) transaction {
	if b.Append != "" {
		return transaction{AppID: appendPrefix + b.Append, Version: 1, LastUpdated: millis}
	}
	return windowTxn(b, millis)
}

func windowTxn(b offline.Build, millis int64) transaction {
	return transaction{AppID: windowPrefix + b.Window.Start.String(), Version: int64(b.ReadAt), LastUpdated: millis}
}

// window returns the window that a transaction covers; false for other transactions.
func (x transaction) window(spec offline.Spec) (w window.Interval, ok bool, err error) {
	text, ok := strings.CutPrefix(x.AppID, windowPrefix)
	if !ok {
		return w, false, nil
	}
	start, err := window.Parse(text)
	if err != nil {
		return w, false, fmt.Errorf("%w: transaction %q: %w", offline.ErrCorrupt, x.AppID, err)
	}
	w = window.Interval{Start: start, End: start.Add(spec.Step)}
	if err := checkWindow(spec, w); err != nil {
		return w, false, fmt.Errorf("%w: transaction %q: %w", offline.ErrCorrupt, x.AppID, err)
	}
	return w, true, nil
}
