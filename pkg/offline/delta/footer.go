package delta

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"os"

	"github.com/apache/arrow/go/v15/parquet/file"
	"github.com/apache/arrow/go/v15/parquet/metadata"
)

const parquetMagic = "PAR1"

// declareOrder writes into a finished Parquet file that its rows are ordered by
// the first columns, ascending, nulls first, and returns the file's new size.
// The writer of Arrow v15 has no setting for it, so the footer, which ends the
// file, is read and written again.
func declareOrder(f *os.File, columns int, rows int64) (size int64, err error) {
	info, err := f.Stat()
	if err != nil {
		return 0, err
	}
	var tail [8]byte
	if _, err := f.ReadAt(tail[:], info.Size()-int64(len(tail))); err != nil {
		return 0, err
	}
	end := info.Size() - int64(len(tail)) - int64(binary.LittleEndian.Uint32(tail[:4]))

	reader, err := file.NewParquetReader(noClose{f})
	if err != nil {
		return 0, err
	}
	footer := reader.MetaData()
	if footer.NumRows != rows {
		return 0, fmt.Errorf("file has %d rows, %d were written", footer.NumRows, rows)
	}
	sortRowGroups(footer, columns)
	var out bytes.Buffer
	length, err := footer.WriteTo(&out, nil)
	if err != nil {
		return 0, err
	}
	out.Write(binary.LittleEndian.AppendUint32(nil, uint32(length)))
	out.WriteString(parquetMagic)
	if _, err := f.WriteAt(out.Bytes(), end); err != nil {
		return 0, err
	}
	return end + int64(out.Len()), nil
}

// sortRowGroups declares the order of rows of the groups that do not declare one.
func sortRowGroups(footer *metadata.FileMetaData, columns int) {
	for _, group := range footer.RowGroups {
		if len(group.SortingColumns) > 0 {
			continue
		}
		for i := range columns {
			sorting := added(&group.SortingColumns)
			sorting.ColumnIdx = int32(i)
			sorting.NullsFirst = true
		}
	}
}

// added appends a new element to a list of pointers and returns it. It infers
// the element's type, which lies in a package that cannot be imported.
func added[T any](list *[]*T) *T {
	element := new(T)
	*list = append(*list, element)
	return element
}

// noClose hides the method with which a Parquet reader would close the file.
type noClose struct{ file *os.File }

func (n noClose) ReadAt(p []byte, offset int64) (int, error) { return n.file.ReadAt(p, offset) }
func (n noClose) Seek(offset int64, whence int) (int64, error) {
	return n.file.Seek(offset, whence)
}
