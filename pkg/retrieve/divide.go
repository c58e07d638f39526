package retrieve

import (
	"bytes"
	"context"
	"slices"
	"sort"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"

	"github.com/tilery/tilery/pkg/feature"
	"github.com/tilery/tilery/pkg/record"
)

// maxSampledKeys bounds the keys by which a spine is divided.
const maxSampledKeys = 8 << 10

// Divider divides a spine into shares: ranges of a part's keys of about as many rows
// each, so that what joins a share reads the row groups of its range alone. Rows of one
// key are in one share; those without a key are in the first.
type Divider struct {
	bounds  [][]byte // ascending: where each share but the first begins
	keys    []feature.Field
	columns []int
	reader  spineReader
	places  [][]int32 // scratch: by share, its rows of a record
}

// NewDivider reads a spine, of which it finds shares of at most about rowsPerShare rows,
// and no more than maxShares. The time of the spine is of no matter.
func NewDivider(ctx context.Context, spine Spine, part Part, rowsPerShare int64, maxShares int) (*Divider, error) {
	d := &Divider{keys: part.Target.View.JoinKeys(), reader: spineReader{spine, record.ArrowSchema(spine.Schema)}}
	var err error
	if d.columns, err = spine.keyColumns(part); err != nil {
		return nil, err
	}
	var sample [][]byte
	stride, all := int64(1), int64(0)
	err = d.reader.each(ctx, func(rec arrow.Record) error {
		encoder, err := keyEncoder(d.keys, rec, d.columns)
		if err != nil {
			return err
		}
		for row := range int(rec.NumRows()) {
			if all++; all%stride != 0 {
				continue
			}
			if sample = append(sample, encoder.Append(nil, row)); len(sample) == maxSampledKeys {
				sample, stride = everySecond(sample), 2*stride
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	slices.SortFunc(sample, bytes.Compare)
	d.bounds = boundsOf(sample, int(min((all+rowsPerShare-1)/rowsPerShare, int64(maxShares))))
	d.places = make([][]int32, d.Shares())
	return d, nil
}

// boundsOf returns where shares of about as many of the sorted keys begin, but the first.
// A share that would begin with the key of the one before begins with the next key.
func boundsOf(keys [][]byte, shares int) (bounds [][]byte) {
	at := 0 // where the last share begins
	for n := 1; n < shares; n++ {
		from := max(len(keys)*n/shares, at)
		next := slices.IndexFunc(keys[from:], func(key []byte) bool { return bytes.Compare(key, keys[at]) > 0 })
		if next < 0 {
			break
		}
		at = from + next
		bounds = append(bounds, keys[at])
	}
	return bounds
}

func everySecond(keys [][]byte) [][]byte {
	for i := range len(keys) / 2 {
		keys[i] = keys[2*i+1]
	}
	return keys[:len(keys)/2]
}

// Shares is how many there are: one at least.
func (d *Divider) Shares() int { return len(d.bounds) + 1 }

// Divide reads the spine again and hands its rows to fn, by share.
func (d *Divider) Divide(ctx context.Context, next func() (arrow.Record, error), fn func(share int, rec arrow.Record) error) error {
	d.reader.spine.Next = next
	return d.reader.each(ctx, func(rec arrow.Record) error {
		encoder, err := keyEncoder(d.keys, rec, d.columns)
		if err != nil {
			return err
		}
		for i := range d.places {
			d.places[i] = d.places[i][:0]
		}
		var key []byte
		for row := range int(rec.NumRows()) {
			key = encoder.Append(key[:0], row)
			share := sort.Search(len(d.bounds), func(i int) bool { return bytes.Compare(d.bounds[i], key) > 0 })
			d.places[share] = append(d.places[share], int32(row))
		}
		for share, rows := range d.places {
			if len(rows) == 0 {
				continue
			}
			columns, err := record.TakeColumns(rec.Columns(), rows)
			if err != nil {
				return err
			}
			if err := fn(share, array.NewRecord(d.reader.schema, columns, int64(len(rows)))); err != nil {
				return err
			}
		}
		return nil
	})
}
