package main

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tilery/tilery/pkg/api"
)

func TestARangeIsAskedFor(t *testing.T) {
	t.Parallel()
	server := newTrained(t)
	got := invoke(t, &server.answers, "", "range", "v", "--start", "2001-01-05", "--end", "2001-01-06", "--max-lookback", "30d", "--entities", writeSpine(t))
	require.Equal(t, 0, got.code, got.errOut)
	require.Equal(t, uncoveredWarning, got.errOut)
	require.Contains(t, got.out, "12 rows")
	require.Equal(t, []string{api.RangePath + "?end_time=2001-01-06T00%3A00%3A00Z&max_lookback=30d&start_time=2001-01-05T00%3A00%3A00Z&view=v&workspace=prod " +
		"application/vnd.apache.arrow.stream"}, server.asked)
	require.Equal(t, []string{"origin,at\nATL,2001-01-05\n"}, server.bodies)
}

func TestWrongRangesAreRefused(t *testing.T) {
	t.Parallel()
	for line, want := range map[string]string{
		"range v --start 2001-01-05":                                    "--start TIME and --end TIME are required",
		"range v --start 2001-01-05 --end late":                         "--end: ",
		"range v --start 2001-01-05 --end 2001-01-06 --max-lookback -1": "--max-lookback: ",
		"range v --start 2001-01-05 --end 2001-01-06 --entities e.xlsx": "--entities: ",
	} {
		got := invoke(t, nil, "", strings.Fields(line)...)
		require.Equal(t, 2, got.code, line)
		require.Contains(t, got.errOut, want)
	}
}
