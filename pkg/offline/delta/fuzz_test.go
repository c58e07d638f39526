package delta

import (
	"errors"
	"testing"

	"github.com/tilery/tilery/pkg/offline"
)

func FuzzDecodeVersion(f *testing.F) {
	f.Add([]byte(`{"commitInfo":{"timestamp":1,"operation":"WRITE","tilery":{"commit_id":"a","online":true,"lines":2}}}
{"txn":{"appId":"w/2001-01-05T00:00:00Z","version":7,"lastUpdated":1}}
`))
	f.Add([]byte(`{"add":{"path":"time_partition=2001-01-05/1-a-b.parquet","partitionValues":{"time_partition":"2001-01-05"},"size":1,"stats":"{\"numRecords\":1}","tags":{"seq":"1"}}}`))
	f.Add([]byte(`{"protocol":{"minReaderVersion":1,"minWriterVersion":2}}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		_, err := decodeVersion(0, data)
		if err != nil && !errors.Is(err, offline.ErrCorrupt) && !errors.Is(err, offline.ErrMismatch) {
			t.Fatalf("error of another kind: %v", err)
		}
	})
}
