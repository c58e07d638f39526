package aggregate_test

import (
	"encoding/hex"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/stretchr/testify/require"

	"github.com/tilery/tilery/pkg/feature"
)

var rewrite = flag.Bool("rewrite", false, "write the golden files anew")

// goldens are the functions whose bytes are kept, by the partial that they need.
var goldens = map[feature.PartialKind][]feature.Function{
	feature.PartialCount:         {feature.Count},
	feature.PartialSum:           {feature.Sum},
	feature.PartialSumOfSquares:  {feature.VarPop},
	feature.PartialMin:           {feature.Min},
	feature.PartialMax:           {feature.Max},
	feature.PartialLast:          {feature.Last, feature.LastN(3)},
	feature.PartialFirst:         {feature.FirstN(4)},
	feature.PartialLastDistinct:  {feature.LastDistinct(3)},
	feature.PartialFirstDistinct: {feature.FirstDistinct(2)},
	feature.PartialHLL:           {feature.ApproxCountDistinctOf(4), feature.ApproxCountDistinct},
	feature.PartialDDSketch:      {feature.ApproxPercentile(0.3, 0)},
}

// TestEncodingsOfVersion1 fails when stored bytes could no longer be read or
// compared: that takes a new version.
func TestEncodingsOfVersion1(t *testing.T) {
	t.Parallel()
	written := map[feature.PartialKind]string{}
	for kind := range goldens {
		for _, field := range schema {
			for _, f := range goldenFunctions(kind, field.Type) {
				written[kind] += goldenOf(feature.Aggregation{Column: field.Name, Function: f})
			}
		}
	}
	for kind, text := range written {
		name := goldenFile(kind)
		if *rewrite {
			require.NoError(t, os.MkdirAll(filepath.Dir(name), 0o755))
			require.NoError(t, os.WriteFile(name, []byte(text), 0o644))
		}
		golden, err := os.ReadFile(name)
		require.NoError(t, err)
		require.Equal(t, string(golden), text, name)
	}
	for _, line := range goldenLines(t) {
		line.requireRead(t)
	}
}

func goldenFunctions(kind feature.PartialKind, t feature.Type) (out []feature.Function) {
	for _, f := range goldens[kind] {
		if _, err := f.Output(t); err == nil {
			out = append(out, f)
		}
	}
	return out
}

func goldenFile(kind feature.PartialKind) string {
	return filepath.Join("testdata", "encoding-v1", string(kind)+".golden")
}

// goldenOf has a line for each sample: its encoding, and those of its columns that
// are binary.
func goldenOf(a feature.Aggregation) string {
	var b strings.Builder
	l := newLayout(a)
	for _, of := range samples(a.Column) {
		s := build(l, of.rows, 1)
		fmt.Fprintf(&b, "%s of %s, %s: %x", a.Function, a.Column, of.name, s.AppendEncoded(nil, 0))
		for i, c := range tiles(l, s) {
			if column, ok := c.(*array.Binary); ok && column.IsValid(0) {
				fmt.Fprintf(&b, " %s=%x", l.Fields()[i].Name, column.Value(0))
			}
		}
		b.WriteByte('\n')
	}
	return b.String()
}

// goldenLine is an encoding in a golden file, and the sample that it is of.
type goldenLine struct {
	aggregation feature.Aggregation
	sample      sample
	encoded     []byte
}

func (line goldenLine) requireRead(t *testing.T) {
	l := newLayout(line.aggregation)
	read := build(l, nil, 1)
	rest, err := read.MergeEncoded(0, line.encoded)
	require.NoError(t, err, line.sample.name)
	require.Empty(t, rest, line.sample.name)
	want := naive(line.aggregation, line.sample.rows)
	require.Equal(t, want, read.Finish(0, 0), "%s of %s, %s", line.aggregation.Function, line.aggregation.Column, line.sample.name)
}

func goldenLines(t testing.TB) (out []goldenLine) {
	lines := map[string]string{}
	for kind := range goldens {
		text, err := os.ReadFile(goldenFile(kind))
		require.NoError(t, err)
		for line := range strings.Lines(string(text)) {
			name, rest, _ := strings.Cut(line, ": ")
			lines[name] = strings.Fields(rest)[0]
		}
	}
	for _, a := range everything() {
		for _, of := range samples(a.Column) {
			if encoded, ok := lines[fmt.Sprintf("%s of %s, %s", a.Function, a.Column, of.name)]; ok {
				data, err := hex.DecodeString(encoded)
				require.NoError(t, err)
				out = append(out, goldenLine{a, of, data})
			}
		}
	}
	require.Equal(t, len(lines), len(out))
	return out
}
