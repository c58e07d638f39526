package frame

import (
	"fmt"
	"regexp"
	"unicode/utf8"

	"github.com/apache/arrow/go/v15/arrow"

	"github.com/tilery/tilery/pkg/feature"
)

// pandasIndex is what pandas calls an index without a name.
var pandasIndex = regexp.MustCompile(`^__index_level_\d+__$`)

// checkNames refuses names that cannot be those of columns.
func checkNames(columns []string, o Options) error {
	if len(columns) > o.MaxColumns {
		return fmt.Errorf("it has %d columns, and may have %d", len(columns), o.MaxColumns)
	}
	seen := make(map[string]bool, len(columns))
	for i, name := range columns {
		switch {
		case name == "":
			return fmt.Errorf("column %d has no name; give it one, or leave it out (pandas: index=False)", i+1)
		case !utf8.ValidString(name):
			return fmt.Errorf("the name of column %d, %q, is not UTF-8", i+1, name)
		case seen[name]:
			return fmt.Errorf("column %q is there twice", name)
		}
		seen[name] = true
	}
	return nil
}

// stored says which columns of a file are read.
type stored struct {
	types  feature.Schema
	places []int    // by column: its field
	others []string // that are left out
}

func (s *stored) schema() feature.Schema { return s.types }

func (s *stored) dropped() []string { return s.others }

// readAs returns what the fields of a file are read as; pandas' index is left out.
func readAs(fields []arrow.Field, o Options) (s stored, err error) {
	var columns []string
	var places []int
	for i, f := range fields {
		if pandasIndex.MatchString(f.Name) {
			continue
		}
		columns = append(columns, f.Name)
		places = append(places, i)
	}
	if err := checkNames(columns, o); err != nil {
		return stored{}, err
	}
	for i, name := range columns {
		if !o.reads(name) {
			s.others = append(s.others, name)
			continue
		}
		is := fields[places[i]].Type
		t, advice := natural(is)
		if t == feature.InvalidType {
			return stored{}, fmt.Errorf("column %q is %s, which no feature can be: %s", name, is, advice)
		}
		if known, ok := o.Known.Lookup(name); ok {
			if !readable(is, known.Type) {
				return stored{}, fmt.Errorf("column %q is %s and must be %s: cast it", name, is, known.Type)
			}
			t = known.Type
		}
		s.types = append(s.types, feature.Field{Name: name, Type: t})
		s.places = append(s.places, places[i])
	}
	return s, nil
}

// natural returns the feature type that holds the values of a stored type, or
// InvalidType and what to do.
func natural(stored arrow.DataType) (t feature.Type, advice string) {
	switch d := stored.(type) {
	case *arrow.DictionaryType:
		return natural(d.ValueType)
	case arrow.ExtensionType:
		return natural(d.StorageType())
	case arrow.ListLikeType:
		if d.ID() == arrow.MAP {
			return feature.InvalidType, "cast it to a text, or drop it"
		}
		if t, advice = natural(d.Elem()); t == feature.InvalidType {
			return t, advice
		}
		if t = feature.ArrayOf(t); t == feature.InvalidType {
			return t, "cast it to a text, or drop it"
		}
		return t, ""
	case arrow.DecimalType:
		if d.GetScale() != 0 {
			return feature.InvalidType, "cast it to float64, or to a text"
		}
		return feature.Int64, ""
	}
	switch stored.ID() {
	case arrow.BOOL:
		return feature.Bool, ""
	case arrow.INT8, arrow.INT16, arrow.INT64, arrow.UINT8, arrow.UINT16, arrow.UINT32, arrow.UINT64:
		return feature.Int64, ""
	case arrow.INT32:
		return feature.Int32, ""
	case arrow.FLOAT16, arrow.FLOAT32:
		return feature.Float32, ""
	case arrow.FLOAT64:
		return feature.Float64, ""
	case arrow.STRING, arrow.LARGE_STRING, arrow.STRING_VIEW, arrow.NULL:
		return feature.String, ""
	case arrow.TIMESTAMP, arrow.DATE32, arrow.DATE64:
		return feature.Timestamp, ""
	case arrow.TIME32, arrow.TIME64, arrow.DURATION:
		return feature.InvalidType, "cast it to int64, or drop it"
	}
	return feature.InvalidType, "cast it to a text, or drop it"
}

// readable reports whether values of a stored type may be read as t. Numbers may be
// where each keeps its value, which is seen later.
func readable(stored arrow.DataType, t feature.Type) bool {
	switch d := stored.(type) {
	case *arrow.DictionaryType:
		return readable(d.ValueType, t)
	case arrow.ExtensionType:
		return readable(d.StorageType(), t)
	case arrow.ListLikeType:
		return t.IsArray() && readable(d.Elem(), t.Element())
	}
	is, _ := natural(stored)
	return is == t || is.Numeric() && t.Numeric() || stored.ID() == arrow.NULL
}
