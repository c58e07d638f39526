package delta_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tilery/tilery/pkg/bucket"
	"github.com/tilery/tilery/pkg/offline"
	"github.com/tilery/tilery/pkg/offline/delta"
	"github.com/tilery/tilery/pkg/offline/offlinetest"
)

// threeVersions makes a table with versions 0 to 3.
func threeVersions(t *testing.T) bucket.Bucket {
	b := newBucket(t)
	table := open(t, b, delta.Options{})
	commit(t, table, "one", false, build(t, table, hour(0), readAt(1), rowsAt(hour(0).Start)))
	commit(t, table, "two", false, build(t, table, hour(1), readAt(1), rowsAt(hour(1).Start)), build(t, table, hour(2), readAt(1), nil))
	commit(t, table, "three", true, build(t, table, hour(0), readAt(2), rowsAt(hour(0).Start)))
	return b
}

func TestVersionsAreWrittenAsDeltaReadersExpect(t *testing.T) {
	t.Parallel()
	b := newBucket(t)
	table := open(t, b, delta.Options{})
	old := build(t, table, hour(0), readAt(1), rowsAt(hour(0).Start))
	commit(t, table, "one", false, old)
	fresh := build(t, table, hour(0), readAt(2), rowsAt(hour(0).Start, hour(0).Start+1))
	_, err := table.Commit(t.Context(), offline.Commit{ID: "two", Job: "job-7", Generation: 3, Overwrite: true, Online: true, Builds: []offline.Build{fresh}})
	require.NoError(t, err)

	var got []map[string]map[string]any
	for _, line := range lines(t, b, 2) {
		var action map[string]map[string]any
		require.NoError(t, json.Unmarshal([]byte(line), &action))
		got = append(got, action)
	}
	require.Len(t, got, 4)
	info, remove, add, txn := got[0]["commitInfo"], got[1]["remove"], got[2]["add"], got[3]["txn"]

	require.Equal(t, "WRITE", info["operation"])
	require.Equal(t, map[string]any{"mode": "Overwrite"}, info["operationParameters"])
	require.Equal(t, "Tilery", info["engineInfo"])
	require.Equal(t, map[string]any{
		"commit_id": "two", "job": "job-7", "generation": 3.0, "online": true, "lines": 4.0,
		"windows": []any{map[string]any{"start": "2001-01-05T12:00:00Z", "end": "2001-01-05T13:00:00Z", "read_at": readAt(2).String(), "rows": 2.0}},
	}, info["tilery"])

	partition := map[string]any{"time_partition": "2001-01-05"}
	require.Equal(t, map[string]any{
		"path": old.Files[0].Path, "deletionTimestamp": remove["deletionTimestamp"], "dataChange": true,
		"extendedFileMetadata": true, "partitionValues": partition, "size": float64(old.Files[0].Size),
	}, remove)
	f := fresh.Files[0]
	require.Equal(t, map[string]any{
		"path": f.Path, "partitionValues": partition, "size": float64(f.Size), "dataChange": true,
		"modificationTime": float64(f.WrittenAt.Time().UnixMilli()), "stats": f.Stats,
		"tags": map[string]any{"seq": "2", "written_at": f.WrittenAt.String(), "min_time": f.MinTime.String(), "max_time": f.MaxTime.String()},
	}, add)
	require.Equal(t, map[string]any{
		"appId": "w/2001-01-05T12:00:00Z", "version": float64(readAt(2)), "lastUpdated": txn["lastUpdated"],
	}, txn)
	require.Regexp(t, `^time_partition=2001-01-05/\d{16}-attempt-1-[0-9a-f]{12}\.parquet$`, f.Path)
}

func TestCutVersionsAreCorrupt(t *testing.T) {
	t.Parallel()
	b := threeVersions(t)
	for version := range 4 {
		whole, err := b.Get(t.Context(), logKey(version))
		require.NoError(t, err)
		for n := range whole[:len(whole)-1] { // the last byte is a newline
			if n%7 != 0 && whole[n] != '\n' && (n == 0 || whole[n-1] != '\n') {
				continue
			}
			put(t, b, logKey(version), string(whole[:n]))
			require.ErrorIs(t, reopen(t, b), offline.ErrCorrupt, "version %d cut to %d bytes", version, n)
		}
		put(t, b, logKey(version), string(whole))
	}
	require.NoError(t, reopen(t, b))
}

func TestGapsAfterTheHeadAreFoundByListing(t *testing.T) {
	t.Parallel()
	b := threeVersions(t)
	now := time.Now()
	table := open(t, b, delta.Options{Now: func() time.Time { return now }})
	put(t, b, logKey(5), strings.Join(lines(t, b, 3), "\n"))
	for range 2 {
		now = now.Add(25 * time.Second)
		snapshot, err := table.Snapshot(t.Context())
		require.NoError(t, err, "asks for version 4 only")
		require.EqualValues(t, 3, snapshot.Version)
	}
	now = now.Add(25 * time.Second)
	_, err := table.Snapshot(t.Context())
	require.ErrorIs(t, err, offline.ErrCorrupt, "over a minute after the last listing")
}

func TestVersionsThatContradictTheTableAreRefused(t *testing.T) {
	t.Parallel()
	b := threeVersions(t)
	var add, remove, txn string
	for _, line := range lines(t, b, 3) {
		switch {
		case strings.HasPrefix(line, `{"add"`):
			add = line
		case strings.HasPrefix(line, `{"remove"`):
			remove = line
		case strings.HasPrefix(line, `{"txn"`):
			txn = line
		}
	}
	first := lines(t, b, 0)
	table := open(t, b, delta.Options{})
	before, err := table.Snapshot(t.Context())
	require.NoError(t, err)
	other := strings.Replace(add, "attempt-1", "attempt-2", 1)
	for name, c := range map[string]struct {
		version string
		want    error
	}{
		"nothing":                     {"", offline.ErrCorrupt},
		"an empty line":               {other + "\n\n", offline.ErrCorrupt},
		"no JSON":                     {"add", offline.ErrCorrupt},
		"no object":                   {"[]", offline.ErrCorrupt},
		"two actions in a line":       {`{"txn":{},"add":{}}`, offline.ErrCorrupt},
		"an unknown action":           {`{"cdc":{}}`, offline.ErrMismatch},
		"a live file added":           {add, offline.ErrCorrupt},
		"a file added twice":          {other + "\n" + other, offline.ErrCorrupt},
		"a dead file removed":         {remove, offline.ErrCorrupt},
		"the same ReadAt again":       {txn, offline.ErrCorrupt},
		"a window off the step":       {strings.Replace(txn, "12:00", "12:30", 1), offline.ErrCorrupt},
		"a window without a time":     {strings.Replace(txn, "2001", "yesterday", 1), offline.ErrCorrupt},
		"a file of another program":   {withoutTags(other), offline.ErrMismatch},
		"a deletion vector":           {strings.Replace(other, `"tags"`, `"deletionVector":{"storageType":"i"},"tags"`, 1), offline.ErrMismatch},
		"a path out of the table":     {strings.Replace(other, `"path":"`, `"path":"../`, 1), offline.ErrCorrupt},
		"a file of another partition": {strings.Replace(other, `"time_partition":"2001-01-05"`, `"time_partition":"2001-01-06"`, 1), offline.ErrCorrupt},
		"a file without rows":         {strings.Replace(other, `\"numRecords\":1`, `\"numRecords\":0`, 1), offline.ErrCorrupt},
		"statistics that are no JSON": {strings.Replace(other, `\"numRecords\":1`, ``, 1), offline.ErrCorrupt},
		"a later sequence number":     {strings.Replace(other, `"seq":"3"`, `"seq":"9"`, 1), offline.ErrCorrupt},
		"protocol 3, 7":               {`{"protocol":{"minReaderVersion":3,"minWriterVersion":7,"readerFeatures":["deletionVectors"]}}`, offline.ErrMismatch},
		"writer features":             {`{"protocol":{"minReaderVersion":1,"minWriterVersion":7,"writerFeatures":["rowTracking"]}}`, offline.ErrMismatch},
		"another schema":              {strings.Replace(first[2], "amount", "amounts", 1), offline.ErrMismatch},
		"another partition":           {strings.Replace(first[2], `"tilery.partition":"day"`, `"tilery.partition":"month"`, 1), offline.ErrMismatch},
		"no partition":                {strings.Replace(first[2], `"tilery.partition":"day"`, `"x":"y"`, 1), offline.ErrMismatch},
		"two metaData":                {first[2] + "\n" + first[2], offline.ErrCorrupt},
		"a schema that is no JSON":    {strings.Replace(first[2], `"schemaString":"`, `"schemaString":"x`, 1), offline.ErrCorrupt},
		"commitInfo of fewer lines":   {first[0], offline.ErrCorrupt},
		"commitInfo of another form":  {`{"commitInfo":7}`, offline.ErrCorrupt},
		"a line of more than 8 MiB":   {`{"commitInfo":{"x":"` + strings.Repeat("x", 8<<20) + `"}}`, offline.ErrCorrupt},
	} {
		t.Run(name, func(t *testing.T) {
			require.NotEqual(t, other, c.version, "the case changes nothing")
			put(t, b, logKey(4), c.version)
			err := reopen(t, b)
			require.ErrorIs(t, err, c.want)
			require.ErrorContains(t, err, logKey(4))
			_, err = table.Snapshot(t.Context())
			require.ErrorIs(t, err, c.want, "by a table that knows the versions before")

			require.NoError(t, b.Delete(t.Context(), logKey(4)))
			after, err := table.Snapshot(t.Context())
			require.NoError(t, err)
			require.Equal(t, before, after, "a refused version leaves no trace")
		})
	}
	t.Run("what others may do", func(t *testing.T) {
		put(t, b, logKey(4), `{"commitInfo":{"operation":"SET TBLPROPERTIES","operationParameters":{"n":7}}}`+"\n"+
			`{"protocol":{"minReaderVersion":1,"minWriterVersion":2}}`+"\r\n"+first[2]+"\n"+`{"txn":{"appId":"theirs","version":1}}`)
		require.NoError(t, reopen(t, b))
	})
	t.Run("a fence", func(t *testing.T) {
		put(t, b, logKey(5), `{"txn":{"appId":"fence","version":2}}`)
		snapshot, err := open(t, b, delta.Options{}).Snapshot(t.Context())
		require.NoError(t, err)
		require.EqualValues(t, 2, snapshot.Fence)
	})
}

// withoutTags cuts the tags out of an add.
func withoutTags(add string) string {
	from := strings.Index(add, `,"tags"`)
	return add[:from] + "}}"
}

func TestBadSpecsAreRefused(t *testing.T) {
	t.Parallel()
	store := delta.New(newBucket(t), delta.Options{})
	for name, change := range map[string]func(*offline.Spec){
		"path":                func(s *offline.Spec) { s.Path = "../x" },
		"partition":           func(s *offline.Spec) { s.Partition = "week" },
		"no step":             func(s *offline.Spec) { s.Step = 0 },
		"step below 1 us":     func(s *offline.Spec) { s.Step = time.Second + 1 },
		"step of a year":      func(s *offline.Spec) { s.Step = 365 * 24 * time.Hour },
		"no keys":             func(s *offline.Spec) { s.Keys = nil },
		"another time":        func(s *offline.Spec) { s.Time = "n" },
		"keys in other order": func(s *offline.Spec) { s.Keys = append(s.Keys[1:2:2], s.Keys[0]) },
		"no schema":           func(s *offline.Spec) { s.Schema = nil },
	} {
		spec := offlinetest.Spec()
		change(&spec)
		_, err := store.Open(t.Context(), spec)
		require.Error(t, err, name)
	}
}
