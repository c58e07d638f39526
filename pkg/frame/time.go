package frame

import (
	"fmt"
	"strings"

	"github.com/tilery/tilery/pkg/feature"
)

// Time returns the column of a spine that holds its instants: wanted if that is
// given, else the only Timestamp. The error names the columns that could be meant.
func Time(schema feature.Schema, wanted string) (string, error) {
	var times []string
	for _, f := range schema {
		if f.Type == feature.Timestamp {
			times = append(times, f.Name)
		}
	}
	candidates := "it has no time column"
	if len(times) > 0 {
		candidates = "its time columns are " + strings.Join(times, ", ")
	}
	if wanted != "" {
		switch f, ok := schema.Lookup(wanted); {
		case !ok:
			return "", fmt.Errorf("timestamp_key: the spine has no column %q; %s", wanted, candidates)
		case f.Type != feature.Timestamp:
			return "", fmt.Errorf("timestamp_key: column %q of the spine is %s and not Timestamp; %s", wanted, f.Type, candidates)
		}
		return wanted, nil
	}
	switch len(times) {
	case 0:
		return "", fmt.Errorf("timestamp_key: the spine has no time column, only %s", schema)
	case 1:
		return times[0], nil
	}
	return "", fmt.Errorf("timestamp_key: the spine has several time columns: %s; name one", strings.Join(times, ", "))
}
