package aggregate

import (
	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"

	"github.com/tilery/tilery/pkg/feature"
)

// fields are the values and their times: scalars for the last value, else lists
// in the order of values. Both are null when no value went in. A list may have a
// value more than its result: the one that ends it.
func (p *valueLists) fields() []arrow.Field {
	values, times := arrowType(p.valueType), arrow.DataType(arrow.FixedWidthTypes.Timestamp_us)
	if p.n > 0 {
		values, times = arrowList(values), arrowList(times)
	}
	return []arrow.Field{
		{Name: p.name, Type: values, Nullable: true},
		{Name: p.name + "_ts", Type: times, Nullable: true},
	}
}

func arrowType(t feature.Type) arrow.DataType {
	switch t {
	case feature.Bool:
		return arrow.FixedWidthTypes.Boolean
	case feature.Int32:
		return arrow.PrimitiveTypes.Int32
	case feature.Int64:
		return arrow.PrimitiveTypes.Int64
	case feature.Float32:
		return arrow.PrimitiveTypes.Float32
	case feature.Float64:
		return arrow.PrimitiveTypes.Float64
	case feature.String:
		return arrow.BinaryTypes.String
	}
	return arrowList(arrowType(t.Element()))
}

// arrowList is the type that array columns have everywhere in the product.
func arrowList(element arrow.DataType) arrow.DataType {
	return arrow.ListOfField(arrow.Field{Name: "element", Type: element, Nullable: true})
}

func (p *valueLists) appendColumns(groups []int32, builders []array.Builder) {
	for _, g := range groups {
		p.items = p.read(p.items[:0], int(g))
		if len(p.items) == 0 {
			builders[0].AppendNull()
			builders[1].AppendNull()
			continue
		}
		values, times := builders[0], builders[1]
		if p.n > 0 {
			values, times = appendList(values), appendList(times)
		}
		for _, v := range p.items {
			v.append(values, p.valueType)
			times.(*array.TimestampBuilder).Append(arrow.Timestamp(v.time))
		}
	}
}

// appendList appends a list and returns the builder of its elements.
func appendList(builder array.Builder) array.Builder {
	list := builder.(*array.ListBuilder)
	list.Append(true)
	return list.ValueBuilder()
}

// append appends v, of type t, to a column.
func (v timedValue) append(builder array.Builder, t feature.Type) {
	switch builder := builder.(type) {
	case *array.BooleanBuilder:
		builder.Append(v.key == 1)
	case *array.Int32Builder:
		builder.Append(int32(v.key))
	case *array.Int64Builder:
		builder.Append(v.key)
	case *array.Float32Builder:
		builder.Append(keyFloat32(v.key))
	case *array.Float64Builder:
		builder.Append(keyFloat(v.key))
	case *array.StringBuilder:
		builder.BinaryBuilder.Append(v.text)
	case *array.ListBuilder:
		elements := appendList(builder)
		eachElement(t.Element(), v.text, func(e timedValue, null bool) {
			if null {
				elements.AppendNull()
			} else {
				e.append(elements, t.Element())
			}
		})
	}
}

func (p *valueLists) mergeColumns(groups []int32, columns []arrow.Array) error {
	values, times := columns[0], columns[1]
	for i, g := range groups {
		if g < 0 || values.IsNull(i) && times.IsNull(i) {
			continue
		}
		if values.IsNull(i) || times.IsNull(i) {
			return damaged("row %d: values without times, or times without values", i)
		}
		if err := p.readRow(values, times, i); err != nil {
			return err
		}
		if err := p.check(p.items); err != nil {
			return err
		}
		p.offerAll(int(g))
	}
	return nil
}

// readRow reads the list in a row of columns to p.items.
func (p *valueLists) readRow(values, times arrow.Array, row int) error {
	from, to, timesFrom := row, row+1, row
	if p.n > 0 {
		var timesTo int
		values, from, to = listAt(values, row)
		times, timesFrom, timesTo = listAt(times, row)
		if n := to - from; n != timesTo-timesFrom || n == 0 || n > p.n {
			return damaged("row %d: %d values and %d times", row, n, timesTo-timesFrom)
		}
	}
	p.items = p.items[:0]
	stamps := times.(*array.Timestamp).TimestampValues()[timesFrom:]
	for i := range to - from {
		if values.IsNull(from+i) || times.IsNull(timesFrom+i) {
			return damaged("row %d: a list with a null", row)
		}
		p.items = append(p.items, timedValue{time: int64(stamps[i])})
	}
	if isKey(p.valueType) {
		return p.readKeys(values, from, to)
	}
	return p.readTexts(values, from)
}

// readKeys fills in the keys of p.items.
func (p *valueLists) readKeys(values arrow.Array, from, to int) error {
	if hasStrayFloats(values, from, to) {
		return damaged("a zero with a sign")
	}
	p.arrays.keys = appendKeys(p.arrays.keys[:0], values, from, to)
	for i, key := range p.arrays.keys {
		p.items[i].key = key
	}
	return nil
}

// readTexts fills in the texts of p.items, which are valid until it is called again.
func (p *valueLists) readTexts(values arrow.Array, from int) error {
	column := newTextColumn(values, &p.arrays)
	column.rewind()
	for i := range p.items {
		if column.lists != nil {
			if elements, first, end := listAt(values, from+i); hasStrayFloats(elements, first, end) {
				return damaged("a zero with a sign")
			}
		}
		p.items[i].text = column.at(from + i)
	}
	return nil
}

// listAt returns the elements of a list column, and which of them are in a row.
func listAt(column arrow.Array, row int) (elements arrow.Array, from, to int) {
	list := column.(*array.List)
	start, end := list.ValueOffsets(row)
	return list.ListValues(), int(start), int(end)
}
