package frame_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tilery/tilery/pkg/frame"
)

// pandasTyped is the frame of testdata/write.py, and pandasText what CSV and JSON have of it.
const (
	pandasTyped = `user_id String, small Int64, unsigned Int64, whole Int64, ratio Float64, flag Bool, naive Timestamp, zoned Timestamp, day Timestamp, price Int64, tags Array[String], nothing String
[a 1 1 9007199254740993 0.5 true 2024-01-01T00:00:00.123456Z 2024-01-01T11:00:00Z 2024-02-29T00:00:00Z 7 [x, null] null]
[b -2 2 null null null null 2024-07-01T10:00:00Z null null [] null]
[null 3 4294967295 -9223372036854775808 -1e+300 false 1969-12-31T23:59:59.999999Z null 0001-01-01T00:00:00Z -8 null null]
`
	pandasText = `user_id String, small Int64, unsigned Int64, whole Int64, ratio Float64, flag Bool, naive Timestamp, zoned Timestamp, day Timestamp, nothing String
[a 1 1 9007199254740993 0.5 true 2024-01-01T00:00:00.123456Z 2024-01-01T11:00:00Z 2024-02-29T00:00:00Z null]
[b -2 2 null null null null 2024-07-01T10:00:00Z null null]
[null 3 4294967295 -9223372036854775808 -1e+300 false 1969-12-31T23:59:59.999999Z null 0001-01-01T00:00:00Z null]
`
)

func render(c contents) string {
	var text strings.Builder
	fmt.Fprintln(&text, c.schema)
	for _, row := range c.rows {
		fmt.Fprintln(&text, row)
	}
	return text.String()
}

func TestFilesOfPandasAreRead(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]string{
		"pandas.parquet": pandasTyped, "pandas_v2.parquet": pandasTyped,
		"pandas.feather": pandasTyped, "pandas_stream.arrow": pandasTyped,
		"pandas.csv": pandasText, "pandas.ndjson": pandasText,
	} {
		format, err := frame.FormatOf(name)
		require.NoError(t, err)
		c, err := read(testdata(t, name), format, frame.Options{})
		require.NoError(t, err, name)
		require.Equal(t, want, render(c), name)
	}
}
