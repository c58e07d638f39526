package delta

import (
	"context"
	"encoding/binary"
	"fmt"

	"github.com/tilery/tilery/pkg/feature"
	"github.com/tilery/tilery/pkg/offline"
	"github.com/tilery/tilery/pkg/record"
)

// Scan implements offline.Table. Each record takes the memory of the one before, even
// if that was retained: joins read so much that clearing memory would take a good
// part of their time.
func (t *table) Scan(ctx context.Context, f offline.File, s offline.Selection) (offline.Scanner, error) {
	r, err := t.openFile(ctx, f, s)
	if err != nil {
		return nil, err
	}
	r.reuse = true
	return r, nil
}

// SkipTo implements offline.Scanner. A record ends where its row group does, so the
// rest of the open one can be given up like those that follow.
func (r *reader) SkipTo(key []byte) error {
	values, err := record.DecodeKey(key, r.spec.Keys)
	if err != nil {
		return fmt.Errorf("skip in file %s: %w", r.path, err)
	}
	if r.left > 0 && r.below(r.next-1, values[0]) {
		r.leave()
	}
	for r.left == 0 && r.next < r.groups && r.below(r.next, values[0]) {
		r.next++
	}
	return nil
}

// below reports whether the first key of all rows of a row group is known to be less
// than v. Statistics are of keys that are not null, and null comes first.
func (r *reader) below(group int, v feature.Value) bool {
	if v.IsNull() || len(r.file.MetaData().RowGroups[group].Columns) == 0 {
		return false
	}
	stats := r.file.MetaData().RowGroups[group].Columns[0].GetMetaData().GetStatistics()
	if stats == nil || !stats.IsSetMaxValue() {
		return false
	}
	greatest := stats.GetMaxValue()
	if v.Type() == feature.String {
		return string(greatest) < v.Text()
	}
	return len(greatest) == 8 && int64(binary.LittleEndian.Uint64(greatest)) < v.Int64()
}
