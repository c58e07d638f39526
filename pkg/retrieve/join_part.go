package retrieve

import (
	"cmp"
	"slices"

	"github.com/apache/arrow/go/v15/arrow"

	"github.com/tilery/tilery/pkg/feature"
	"github.com/tilery/tilery/pkg/offline"
	"github.com/tilery/tilery/pkg/record"
)

// part is a Part that is prepared for reading.
type part struct {
	Part
	keys  []feature.Field  // the view's join keys
	spine []int            // the spine's columns of them
	rest  []byte           // what the table's least key of an entity has beyond them
	files []offline.File   // latest first
	types []arrow.DataType // of the features
	needs needs            // of the whole spine
}

func preparePart(spine Spine, from Part) (*part, error) {
	columns, err := spine.keyColumns(from)
	if err != nil {
		return nil, err
	}
	features, err := from.Target.View.Features()
	if err != nil {
		return nil, err
	}
	secondary := from.Target.SecondaryKey()
	least, err := record.AppendKey(nil, secondary, make([]feature.Value, len(secondary)))
	if err != nil {
		return nil, err
	}
	var types []arrow.DataType
	for _, column := range from.Features {
		types = append(types, record.ArrowType(features[column.Feature].Type))
	}
	files := slices.SortedFunc(slices.Values(from.Snapshot.Files), func(a, b offline.File) int {
		return cmp.Or(-cmp.Compare(a.MaxTime, b.MaxTime), -cmp.Compare(a.MinTime, b.MinTime), cmp.Compare(a.Path, b.Path))
	})
	return &part{Part: from, keys: from.Target.View.JoinKeys(), spine: columns, rest: least[1:], files: files, types: types}, nil
}

func (p *part) newJoiner() (joiner, error) {
	features := make([]int, len(p.Features))
	for i, column := range p.Features {
		features[i] = column.Feature
	}
	if p.Target.View.Aggregated() {
		return newWindows(p.Target, features)
	}
	return newLatest(p.Target, features), nil
}

// columns are those of the table that are read: its keys, its time, and others.
func (p *part) columns(others []string) []string {
	spec := p.Table.Spec()
	return append(append(feature.Schema(spec.Keys).Names(), spec.Time), others...)
}
