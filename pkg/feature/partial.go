package feature

import (
	"cmp"
	"slices"
	"strconv"
)

// TileStart is the name of the time column of tile tables.
const TileStart = "tile_start"

// PartialKind is what one partial state of a tile holds about its column.
type PartialKind string

// The kinds of partial states; several functions share one.
const (
	PartialCount         PartialKind = "count"          // number of non-null values
	PartialSum           PartialKind = "sum"            // their exact sum
	PartialSumOfSquares  PartialKind = "sumsq"          // the exact sum of their squares
	PartialMin           PartialKind = "min"            // their least
	PartialMax           PartialKind = "max"            // their greatest
	PartialLast          PartialKind = "last"           // the latest one, or the N latest, with their times
	PartialFirst         PartialKind = "first"          // the N earliest
	PartialLastDistinct  PartialKind = "last_distinct"  // the N that were seen last, each once
	PartialFirstDistinct PartialKind = "first_distinct" // the N that were first seen earliest
	PartialHLL           PartialKind = "hll"            // the set of their hashes, of precision N
	PartialDDSketch      PartialKind = "ddsketch"       // their distribution, of precision N
)

// Partial is one partial state that a view's tiles store.
type Partial struct {
	Kind   PartialKind `json:"kind"`
	Column string      `json:"column"`
	Type   Type        `json:"type"`        // of the column
	N      int         `json:"n,omitempty"` // values that are kept, or the precision of a sketch
}

// Columns returns the names of the tile columns that hold p.
func (p Partial) Columns() []string {
	switch p.Kind {
	case PartialSum, PartialSumOfSquares:
		return []string{p.name(), p.name() + "_rest"} // what is missing to the exact sum
	case PartialLast, PartialFirst, PartialLastDistinct, PartialFirstDistinct:
		return []string{p.name(), p.name() + "_ts"}
	}
	return []string{p.name()}
}

func (p Partial) name() string { return p.label() + "_" + p.Column }

// label is the kind, with N unless it is a sketch's default: "last3", "hll".
func (p Partial) label() string {
	switch {
	case p.N == 0, p.Kind == PartialHLL && p.N == DefaultCountPrecision, p.Kind == PartialDDSketch && p.N == DefaultPercentilePrecision:
		return string(p.Kind)
	}
	return string(p.Kind) + strconv.Itoa(p.N)
}

// typicalBytes is about how long the encoding of a full state is.
func (p Partial) typicalBytes() int {
	switch p.Kind {
	case PartialCount:
		return 2
	case PartialLast, PartialFirst, PartialLastDistinct, PartialFirstDistinct:
		return 32 * max(p.N, 1)
	case PartialHLL:
		return max(512, 1<<p.N)
	case PartialDDSketch:
		return 4096
	}
	return 12
}

// partials lists what a function is finished from.
func (c call) partials() []Partial {
	kinds := []PartialKind{PartialKind(c.name)}
	switch c.name {
	case string(Mean):
		kinds = []PartialKind{PartialCount, PartialSum}
	case string(VarPop), string(VarSamp), string(StddevPop), string(StddevSamp):
		kinds = []PartialKind{PartialCount, PartialSum, PartialSumOfSquares}
	case string(ApproxCountDistinct):
		kinds = []PartialKind{PartialHLL}
	case percentile:
		kinds = []PartialKind{PartialDDSketch}
	}
	out := make([]Partial, len(kinds))
	for i, kind := range kinds {
		out[i] = Partial{Kind: kind, N: max(c.n, c.precision)}
	}
	return out
}

// partials lists what the aggregation of a column of that type is finished from,
// ordered by kind.
func (a Aggregation) partials(input Type) ([]Partial, error) {
	c, err := parseFunction(string(a.Function))
	if err != nil {
		return nil, err
	}
	out := c.partials()
	for i := range out {
		out[i].Column, out[i].Type = a.Column, input
	}
	return out, nil
}

// Partials returns the partial states that serve every aggregation, each once,
// ordered by column, kind and N. Columns are looked up in schema.
func Partials(aggregations []Aggregation, schema Schema) ([]Partial, error) {
	var out []Partial
	for _, a := range aggregations {
		input, _, err := a.types(schema)
		if err != nil {
			return nil, err
		}
		own, err := a.partials(input)
		if err != nil {
			return nil, err
		}
		out = append(out, own...)
	}
	slices.SortFunc(out, func(a, b Partial) int {
		return cmp.Or(cmp.Compare(a.Column, b.Column), cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.N, b.N))
	})
	return slices.Compact(out), nil
}
