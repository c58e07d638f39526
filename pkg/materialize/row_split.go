package materialize

import (
	"context"
	"errors"
	"fmt"
	"io"
	"runtime"

	"github.com/tilery/tilery/pkg/offline"
	"github.com/tilery/tilery/pkg/record"
)

const (
	// maxParts bounds how many ranges of keys are merged at a time: each holds a record
	// of every file.
	maxParts = 4
	// minPartRows is how many rows are worth a range of their own.
	minPartRows = 128 << 10
)

// split divides the keys of files into ranges of about as many rows, by the keys of the
// largest file. It reads these up to the last range.
func (s *rowStep) split(ctx context.Context, files []offline.File) (spans []keySpan, err error) {
	rows, largest := int64(0), files[0]
	for _, f := range files {
		if rows += f.Rows; f.Rows > largest.Rows {
			largest = f
		}
	}
	parts := min(int64(runtime.GOMAXPROCS(0)), maxParts, rows/minPartRows)
	spans = []keySpan{{}}
	if parts < 2 {
		return spans, nil
	}
	keys := s.target.View.JoinKeys()
	columns := make([]string, len(keys))
	for i, k := range keys {
		columns[i] = k.Name
	}
	reader, err := s.table.Scan(ctx, largest, offline.Selection{Columns: columns, Rows: rowsPerRecord})
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, reader.Close()) }()
	for passed := int64(0); int64(len(spans)) < parts; {
		rec, err := reader.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, err
		}
		encoder, err := record.NewKeyEncoder(keys, rec.Columns())
		if err != nil {
			return nil, fmt.Errorf("%w: file %s: %w", offline.ErrCorrupt, largest.Path, err)
		}
		for int64(len(spans)) < parts {
			row := largest.Rows*int64(len(spans))/parts - passed
			if row >= rec.NumRows() {
				break
			}
			key := encoder.Append(nil, int(row))
			spans[len(spans)-1].to = key
			spans = append(spans, keySpan{from: key})
		}
		passed += rec.NumRows()
	}
	return spans, nil
}
