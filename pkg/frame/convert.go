package frame

import (
	"errors"
	"fmt"
	"unicode/utf8"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"

	"github.com/tilery/tilery/pkg/feature"
)

// copyStep is how many rows are copied of a column before the next column's turn, so
// that a batch of long texts ends soon after it is full.
const copyStep = 16

// converter copies the columns of Arrow arrays as feature types. It copies value by
// value, also where the types are the same, since nothing in a file from elsewhere
// can be relied upon: not offsets, not bitmaps, not UTF-8.
type converter struct {
	stored
	maxText int64
	first   int64 // rows that came before those of columns
	columns []arrow.Array
	rows    int
	next    int // row
}

// set starts on further rows. The columns must stay until done.
func (c *converter) set(columns []arrow.Array, rows int) {
	c.first += int64(c.rows)
	c.columns, c.rows, c.next = columns, rows, 0
}

func (c *converter) done() bool { return c.next == c.rows }

// fill copies rows to b until it is full or there are no more.
func (c *converter) fill(b *batch) error {
	copiers := make([]copier, len(c.columns))
	for i, column := range c.columns {
		var err error
		w := &weigher{limit: c.maxText, total: &b.bytes}
		if copiers[i], err = newCopier(column, c.types[i].Type, b.builder.Field(i), w); err != nil {
			return fmt.Errorf("column %q: %w", c.types[i].Name, err)
		}
	}
	for !c.done() && !b.full() {
		end := min(c.next+copyStep, c.rows, c.next+maxRows-b.rows)
		for i, copyValue := range copiers {
			for row := c.next; row < end; row++ {
				if err := copyValue(row); err != nil {
					return fmt.Errorf("row %d, column %q: %w", c.first+int64(row)+1, c.types[i].Name, err)
				}
			}
		}
		b.rows += end - c.next
		c.next = end
	}
	return nil
}

// weigher sums what values take and refuses large ones.
type weigher struct {
	limit   int64
	total   *int64
	value   int64 // of the array that is being copied
	inArray int   // arrays around the value that is being copied
}

func (w *weigher) add(n int) error {
	*w.total += int64(n)
	if w.value += int64(n); w.value > w.limit {
		return fmt.Errorf("a value takes more than %d bytes", w.limit)
	}
	if w.inArray == 0 {
		w.value = 0
	}
	return nil
}

// copier appends the value at a row.
type copier func(row int) error

// newCopier returns what appends values of a column, which is readable as t, to b.
func newCopier(column arrow.Array, t feature.Type, b array.Builder, w *weigher) (copier, error) {
	var copyValue copier
	var err error
	switch c := column.(type) {
	case *array.Null:
		return func(int) error { b.AppendNull(); return w.add(8) }, nil
	case *array.Dictionary:
		values, err := newCopier(c.Dictionary(), t, b, w)
		if err != nil {
			return nil, err
		}
		copyValue = func(row int) error { return values(c.GetValueIndex(row)) }
	case array.ExtensionArray:
		return newCopier(c.Storage(), t, b, w)
	case array.ListLike:
		copyValue, err = copyArrays(c, t, b, w)
	default:
		copyValue, err = copyScalars(column, b, w)
	}
	if err != nil {
		return nil, err
	}
	return func(row int) error {
		if column.IsNull(row) {
			b.AppendNull()
			return w.add(8)
		}
		return copyValue(row)
	}, nil
}

func copyArrays(column array.ListLike, t feature.Type, b array.Builder, w *weigher) (copier, error) {
	list, ok := b.(*array.ListBuilder)
	if !ok {
		return nil, fmt.Errorf("%s cannot be read as %s", column.DataType(), t)
	}
	element, err := newCopier(column.ListValues(), t.Element(), list.ValueBuilder(), w)
	if err != nil {
		return nil, err
	}
	elements := int64(column.ListValues().Len())
	return func(row int) error {
		from, to := column.ValueOffsets(row)
		if from < 0 || to < from || to > elements {
			return errors.New("damaged file: an array lies outside of its values")
		}
		list.Append(true)
		w.inArray++
		for i := from; i < to; i++ {
			if err := element(int(i)); err != nil {
				return err
			}
		}
		w.inArray--
		return w.add(8)
	}, nil
}

func copyScalars(column arrow.Array, b array.Builder, w *weigher) (copier, error) {
	switch b := b.(type) {
	case *array.BooleanBuilder:
		if c, ok := column.(*array.Boolean); ok {
			return func(row int) error { b.Append(c.Value(row)); return w.add(8) }, nil
		}
	case *array.StringBuilder:
		if c, ok := column.(interface{ Value(int) string }); ok {
			return func(row int) error {
				text := c.Value(row)
				if !utf8.ValidString(text) {
					return fmt.Errorf("%.40q is not UTF-8", text)
				}
				if err := w.add(len(text) + 4); err != nil {
					return err
				}
				b.Append(text)
				return nil
			}, nil
		}
	case *array.TimestampBuilder:
		if instant := instants(column); instant != nil {
			return func(row int) error {
				at, err := instant(row)
				if err != nil {
					return err
				}
				b.Append(arrow.Timestamp(at))
				return w.add(8)
			}, nil
		}
	default:
		if appendNumber := numberAppender(b); appendNumber != nil {
			if number := numbers(column); number != nil {
				return func(row int) error {
					n, err := number(row)
					if err != nil {
						return err
					}
					if !appendNumber(n) {
						return fmt.Errorf("%s cannot be %s without change", n, b.Type())
					}
					return w.add(8)
				}, nil
			}
		}
	}
	return nil, fmt.Errorf("%s cannot be read as %s", column.DataType(), b.Type())
}
