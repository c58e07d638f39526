package oracle

import "slices"

// maxListBytes is what the values of one list take at most, unless one alone
// takes more.
const maxListBytes = 64 << 10

// list returns []any, for last without N its one value.
func list(f Function, kept []Event) any {
	slices.SortStableFunc(kept, compareEvents)
	newest := f.Name == "last" || f.Name == "last_distinct"
	if newest {
		slices.Reverse(kept)
	}
	if f.Name == "last_distinct" || f.Name == "first_distinct" {
		kept = distinct(kept)
	}
	if f.N == 0 {
		return kept[0].Value
	}
	var out []any
	bytes := 0
	for _, e := range kept[:min(f.N, len(kept))] {
		if bytes += size(e.Value); bytes > maxListBytes && len(out) > 0 {
			break
		}
		out = append(out, e.Value)
	}
	if newest {
		slices.Reverse(out)
	}
	return out
}

// distinct keeps the first event of each value.
func distinct(events []Event) (out []Event) {
	for _, e := range events {
		if !slices.ContainsFunc(out, func(o Event) bool { return compare(o.Value, e.Value) == 0 }) {
			out = append(out, e)
		}
	}
	return out
}

// size is what a value takes of maxListBytes.
func size(v any) (bytes int) {
	switch v := v.(type) {
	case string:
		return len(v)
	case []any:
		for _, element := range v {
			bytes += size(element)
		}
		return bytes
	}
	return 8
}
