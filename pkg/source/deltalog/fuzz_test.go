package deltalog

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func FuzzCommitsAreReadOrRefused(f *testing.F) {
	f.Add(`{"protocol":{"minReaderVersion":1}}
{"metaData":{"schemaString":"{\"fields\":[{\"name\":\"ts\"}]}","partitionColumns":["day"]}}
{"add":{"path":"day=1/a%20b","partitionValues":{"day":"1"},"stats":"{\"minValues\":{\"ts\":\"2001\"}}"}}
{"remove":{"path":"a","deletionVector":{"storageType":"u"}}}`)
	f.Add(`{"protocol":{"minReaderVersion":3,"readerFeatures":["x"]}}`)
	f.Add(`{"add":{"path":"../a"}}`)
	f.Fuzz(func(t *testing.T, commit string) {
		actions, err := parseCommit([]byte(commit))
		if err != nil {
			return
		}
		r := replay{directory: "/table", live: make(map[fileKey]add)}
		if r.apply(actions) != nil {
			return
		}
		snapshot, err := r.snapshot(0)
		if err != nil {
			return
		}
		for _, file := range snapshot.Files {
			require.True(t, strings.HasPrefix(file.Path, "/table/") || file.Path == "/table", file.Path)
			_, _ = file.Times("ts")
		}
	})
}
