package aggregate

import (
	"bytes"
	"encoding/binary"
	"math"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"

	"github.com/tilery/tilery/pkg/feature"
)

// stringExtremes holds the least or greatest String of each group, by bytes.
// Encoded: 0 when no value went in, else 1 plus the length as a uvarint, and the
// bytes.
type stringExtremes struct {
	name     string
	greatest bool
	of       []stringExtreme
	runs     textRuns
}

type stringExtreme struct {
	text []byte // ours, so that no batch is kept alive; nil: none
}

func (p *stringExtremes) fields() []arrow.Field {
	return []arrow.Field{{Name: p.name, Type: arrow.BinaryTypes.String, Nullable: true}}
}

func (p *stringExtremes) grow(n int)   { p.of = extend(p.of, n) }
func (p *stringExtremes) bytes() int64 { return bytesOf(p.of) + p.runs.bytes() }

func (p *stringExtremes) reset() {
	p.of = p.of[:0]
	p.runs.reset()
}

func (p *stringExtremes) add(groups []int32, _ []arrow.Timestamp, values arrow.Array) {
	if len(groups) == 0 {
		return // an empty array has no offsets
	}
	column := values.(*array.String)
	offsets, texts := column.ValueOffsets(), column.ValueBytes()
	for i, g := range groups {
		if g >= 0 {
			p.offer(int(g), texts[offsets[i]-offsets[0]:offsets[i+1]-offsets[0]])
		}
	}
}

func (p *stringExtremes) offer(group int, text []byte) {
	e := &p.of[group]
	if e.text == nil || p.greatest && bytes.Compare(text, e.text) > 0 || !p.greatest && bytes.Compare(text, e.text) < 0 {
		e.text = append(p.runs.grown(e.text[:0], max(len(text), 1)), text...)
	}
}

func (p *stringExtremes) merge(group int, from partial, fromGroup int) {
	if other := from.(*stringExtremes).of[fromGroup]; other.text != nil {
		p.offer(group, other.text)
	}
}

func (p *stringExtremes) mergeColumns(groups []int32, columns []arrow.Array) error {
	_, masked := maskNulls(nil, groups, columns[0])
	p.add(masked, nil, columns[0])
	return nil
}

func (p *stringExtremes) appendColumns(groups []int32, builders []array.Builder) {
	builder := builders[0].(*array.StringBuilder)
	for _, g := range groups {
		if e := p.of[g]; e.text != nil {
			builder.BinaryBuilder.Append(e.text)
		} else {
			builder.AppendNull()
		}
	}
}

func (p *stringExtremes) appendEncoded(dst []byte, group int) []byte {
	e := p.of[group]
	if e.text == nil {
		return append(dst, 0)
	}
	return append(binary.AppendUvarint(dst, 1+uint64(len(e.text))), e.text...)
}

func (p *stringExtremes) mergeEncoded(group int, data []byte) ([]byte, error) {
	head, rest, err := cutUvarint(data, math.MaxInt32)
	if err != nil || head == 0 {
		return rest, err
	}
	text, rest, err := cutBytes(rest, head-1)
	if err != nil {
		return nil, err
	}
	p.offer(group, text)
	return rest, nil
}

func (p *stringExtremes) value(group int) feature.Value {
	if e := p.of[group]; e.text != nil {
		return feature.StringValue(string(e.text))
	}
	return feature.Null
}
