package frame_test

import (
	"errors"
	"testing"

	"github.com/tilery/tilery/pkg/frame"
)

// small bounds what an input of the fuzzer may make.
var small = frame.Options{MaxBytes: 1 << 20, MaxTextBytes: 1 << 16, MaxColumns: 100, MemoryBytes: 4 << 20}

// fuzz reads inputs: they are data frames, or ErrData.
func fuzz(f *testing.F, format frame.Format, seeds ...string) {
	for _, name := range seeds {
		f.Add(testdata(f, name))
	}
	f.Add(write(f, format, golden.schema, recordOf(f, golden)))
	f.Fuzz(func(t *testing.T, data []byte) {
		c, err := read(data, format, small)
		if err != nil && !errors.Is(err, frame.ErrData) {
			t.Fatalf("error of another kind: %v", err)
		}
		if err != nil || len(c.schema) == 0 || format != frame.CSV && format != frame.JSON {
			return
		}
		// What was inferred reads back the same once it is known.
		again, err := read(data, format, frame.Options{Known: c.schema})
		if err != nil || render(again) != render(c) {
			t.Fatalf("%v: %s", err, render(again))
		}
	})
}

func FuzzCSV(f *testing.F) {
	f.Add([]byte("\ufeffa,b\r\n\"x\r\n\"\"\",1e3\n,007\n"))
	fuzz(f, frame.CSV, "pandas.csv")
}

func FuzzJSON(f *testing.F) {
	f.Add([]byte(`{"a":[[1,null],[]],"b":"\ud800","c":1e400}`))
	fuzz(f, frame.JSON, "pandas.ndjson")
}

func FuzzArrow(f *testing.F) { fuzz(f, frame.Arrow, "pandas.feather", "pandas_stream.arrow") }

func FuzzParquet(f *testing.F) {
	fuzz(f, frame.Parquet, "pandas.parquet", "pandas_v2.parquet")
}
