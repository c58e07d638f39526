package online

import (
	"encoding/binary"
	"fmt"

	"github.com/tilery/tilery/pkg/window"
)

// rowVersion is the first byte of every encoded row.
const rowVersion = 1

// rowHead is the size of version, time and seq.
const rowHead = 1 + 8 + 8

// Row is the latest row of an entity.
type Row struct {
	Time   window.Time // of the event
	Seq    int64       // order of writes among rows of one time; of batch: the log version that added it
	Values []byte      // encoded features (record.RowEncoder); opaque here
}

// AppendRow appends the Value of a KindRow cell:
//
//	version, time, seq, values
//
// The byte order of two values is the order of their rows: by time, then by seq,
// then by content.
func AppendRow(dst []byte, r Row) []byte {
	dst = append(dst, rowVersion)
	dst = binary.BigEndian.AppendUint64(dst, uint64(r.Time)^1<<63)
	dst = binary.BigEndian.AppendUint64(dst, uint64(r.Seq)^1<<63)
	return append(dst, r.Values...)
}

// DecodeRow reads the Value of a KindRow cell; whatever AppendRow would not write
// is ErrDamaged. Values share memory with value.
func DecodeRow(value []byte) (Row, error) {
	if len(value) < rowHead || value[0] != rowVersion {
		return Row{}, fmt.Errorf("%w: row of %d bytes is not of version %d", ErrDamaged, len(value), rowVersion)
	}
	return Row{
		Time:   window.Time(binary.BigEndian.Uint64(value[1:]) ^ 1<<63),
		Seq:    int64(binary.BigEndian.Uint64(value[9:]) ^ 1<<63),
		Values: value[rowHead:],
	}, nil
}
