package frame

import (
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"

	"github.com/apache/arrow/go/v15/parquet/metadata"
)

// maxTables bounds the tables of a message's metadata that are followed. Tables may
// be shared, so that a small message could have any number of them.
const maxTables = 100_000

// checkMessage refuses metadata of an IPC message, which is a flatbuffer, that says
// that it has more than it has: Arrow allocates what it is told, and a process that
// has no memory left cannot be saved. It panics on other damage, as Arrow does.
func checkMessage(meta []byte) error {
	f := &flatbuffer{data: meta}
	message := table{f, f.offset(0)}
	header := message.table(2)
	switch kind := message.byte(1); kind {
	case 1: // Schema
		f.fields(header, 1)
		f.vector(header.field(2), 4) // metadata
	case 2: // DictionaryBatch
		f.batch(header.table(1))
	case 3: // RecordBatch
		f.batch(header)
	default:
		return fmt.Errorf("damaged file: a message is of kind %d", kind)
	}
	return f.err
}

// checkStoredSchema does as checkMessage with the schema that Arrow stores in Parquet.
func checkStoredSchema(footer *metadata.FileMetaData) error {
	stored := footer.KeyValueMetadata().FindValue("ARROW:schema")
	if stored == nil {
		return nil
	}
	message, err := base64.RawStdEncoding.DecodeString(strings.TrimRight(*stored, "="))
	if err != nil {
		return fmt.Errorf("damaged file: its schema: %w", err)
	}
	if binary.LittleEndian.Uint32(message) == 0xffffffff {
		message = message[4:]
	}
	length := binary.LittleEndian.Uint32(message)
	if uint64(length) > uint64(len(message)-4) {
		return errors.New("damaged file: its schema ends too early")
	}
	return checkMessage(message[4 : 4+length])
}

// unionType is what a column of a union has as its type.
const unionType = 14

type flatbuffer struct {
	data   []byte
	tables int
	err    error
}

// offset returns the place that the offset at a place points to.
func (f *flatbuffer) offset(at int) int {
	return at + int(binary.LittleEndian.Uint32(f.data[at:]))
}

// vector returns the place and the length of the vector that a field points to.
func (f *flatbuffer) vector(field, elementBytes int) (at, length int) {
	if field == 0 || f.err != nil {
		return 0, 0
	}
	at = f.offset(field) + 4
	length = int(binary.LittleEndian.Uint32(f.data[at-4:]))
	f.tables += length
	if length > (len(f.data)-at)/elementBytes || f.tables > maxTables {
		f.err = errors.New("damaged file: the metadata of a message have more than they hold")
		return 0, 0
	}
	return at, length
}

// fields follows the columns, or the children of one, in a slot of a table.
func (f *flatbuffer) fields(of table, slot int) {
	at, length := f.vector(of.field(slot), 4)
	for i := range length {
		column := table{f, f.offset(at + 4*i)}
		f.vector(column.field(6), 4) // metadata
		if column.byte(2) == unionType {
			f.err = errors.New("a column is a union, which no feature can be: cast it to a text, or drop it")
		}
		f.fields(column, 5)
	}
}

// batch follows a record batch.
func (f *flatbuffer) batch(of table) {
	f.vector(of.field(1), 16) // nodes
	_, buffers := f.vector(of.field(2), 16)
	at, length := f.vector(of.field(4), 8)
	for i := range length {
		if n := binary.LittleEndian.Uint64(f.data[at+8*i:]); n > uint64(buffers) {
			f.err = errors.New("damaged file: a column has more buffers than there are")
		}
	}
}

// table is a table of a flatbuffer.
type table struct {
	in *flatbuffer
	at int
}

// field returns the place of the field in a slot; 0 if there is none.
func (t table) field(slot int) int {
	data := t.in.data
	layout := t.at - int(int32(binary.LittleEndian.Uint32(data[t.at:])))
	place := 4 + 2*slot
	if place >= int(binary.LittleEndian.Uint16(data[layout:])) {
		return 0
	}
	if offset := binary.LittleEndian.Uint16(data[layout+place:]); offset != 0 {
		return t.at + int(offset)
	}
	return 0
}

// table returns the table that a field points to, which has to be there.
func (t table) table(slot int) table {
	field := t.field(slot)
	if field == 0 {
		panic(errors.New("a table is missing")) //nolint:forbidigo // guard recovers it
	}
	return table{t.in, t.in.offset(field)}
}

func (t table) byte(slot int) byte {
	if field := t.field(slot); field != 0 {
		return t.in.data[field]
	}
	return 0
}
