package frame_test

import (
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/tilery/tilery/pkg/frame"
)

// Arrow's readers panic over damage, loop over it and allocate what it says.
func TestDamagedFilesAreErrorsOrOtherData(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"pandas.parquet", "pandas_v2.parquet", "pandas.feather", "pandas_stream.arrow"} {
		format, err := frame.FormatOf(name)
		require.NoError(t, err)
		whole := testdata(t, name)
		rapid.Check(t, func(t *rapid.T) {
			data := append([]byte(nil), whole[:rapid.OneOf(rapid.Just(len(whole)), rapid.IntRange(0, len(whole))).Draw(t, "length")]...)
			for range rapid.IntRange(0, min(4, len(data))).Draw(t, "changes") {
				data[rapid.IntRange(0, len(data)-1).Draw(t, "at")] ^= rapid.Byte().Draw(t, "change")
			}
			if _, err := read(data, format, small); err != nil {
				require.ErrorIs(t, err, frame.ErrData)
			}
		})
	}
}
