package aggregate

import (
	"fmt"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"

	"github.com/tilery/tilery/pkg/feature"
)

// The tile column of a sketch is binary: a version byte, and what appendEncoded
// writes. Where that is the one byte encodedNothing the column is null.
const encodedNothing = 0

func sketchFields(p feature.Partial) []arrow.Field {
	return []arrow.Field{{Name: p.Columns()[0], Type: arrow.BinaryTypes.Binary, Nullable: true}}
}

// appendSketches writes groups of p; scratch is returned for the next call.
func appendSketches(p partial, groups []int32, builder array.Builder, scratch []byte) []byte {
	column := builder.(*array.BinaryBuilder)
	column.Reserve(len(groups))
	for _, g := range groups {
		scratch = p.appendEncoded(append(scratch[:0], encodingVersion), int(g))
		if scratch[1] == encodedNothing {
			column.AppendNull()
		} else {
			column.Append(scratch)
		}
	}
	return scratch
}

// mergeSketches adds what appendSketches wrote to p.
func mergeSketches(p partial, groups []int32, column arrow.Array) error {
	sketches := column.(*array.Binary)
	for i, g := range groups {
		if g < 0 || sketches.IsNull(i) {
			continue
		}
		if err := mergeSketch(p, int(g), sketches.Value(i)); err != nil {
			return fmt.Errorf("row %d: %w", i, err)
		}
	}
	return nil
}

func mergeSketch(p partial, group int, data []byte) error {
	data, err := cutVersion(data)
	if err != nil {
		return err
	}
	if len(data) > 0 && data[0] == encodedNothing {
		return damaged("nothing where null should be")
	}
	rest, err := p.mergeEncoded(group, data)
	if err != nil {
		return err
	}
	if len(rest) != 0 {
		return damaged("%d bytes too many", len(rest))
	}
	return nil
}
