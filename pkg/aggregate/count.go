package aggregate

import (
	"encoding/binary"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"

	"github.com/tilery/tilery/pkg/feature"
)

// counts holds how many values went into each group. Encoded: a uvarint.
type counts struct {
	column string
	of     []int64
}

func (p *counts) fields() []arrow.Field {
	return []arrow.Field{{Name: "count_" + p.column, Type: arrow.PrimitiveTypes.Int64}}
}

func (p *counts) grow(n int)   { p.of = extend(p.of, n) }
func (p *counts) reset()       { p.of = p.of[:0] }
func (p *counts) bytes() int64 { return bytesOf(p.of) }

func (p *counts) add(groups []int32, _ []arrow.Timestamp, _ arrow.Array) {
	for _, g := range groups {
		if g >= 0 {
			p.of[g]++
		}
	}
}

func (p *counts) merge(group int, from partial, fromGroup int) {
	p.of[group] += from.(*counts).of[fromGroup]
}

func (p *counts) mergePairs(pairs []pair) {
	for _, m := range pairs {
		p.of[m.into] += p.of[m.from]
	}
}

func (p *counts) mergeColumns(groups []int32, columns []arrow.Array) error {
	column := columns[0].(*array.Int64)
	nulls := column.NullN() > 0
	for i, n := range column.Int64Values() {
		g := groups[i]
		if g < 0 {
			continue
		}
		if nulls && column.IsNull(i) || n < 0 || n > maxRows {
			return damaged("row %d: a count is null or out of range", i)
		}
		p.of[g] += n
	}
	return nil
}

func (p *counts) appendColumns(groups []int32, builders []array.Builder) {
	builder := builders[0].(*array.Int64Builder)
	builder.Reserve(len(groups))
	for _, g := range groups {
		builder.UnsafeAppend(p.of[g])
	}
}

func (p *counts) appendEncoded(dst []byte, group int) []byte {
	return binary.AppendUvarint(dst, uint64(p.of[group]))
}

func (p *counts) mergeEncoded(group int, data []byte) ([]byte, error) {
	n, rest, err := cutUvarint(data, maxRows)
	if err != nil {
		return nil, err
	}
	p.of[group] += int64(n)
	return rest, nil
}

func (p *counts) value(group int) feature.Value { return feature.Int64Value(p.of[group]) }

func (p *counts) int64Value(group int) (int64, bool) { return p.of[group], true }
