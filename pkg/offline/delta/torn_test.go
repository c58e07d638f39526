package delta_test

import (
	"bytes"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tilery/tilery/pkg/bucket"
	"github.com/tilery/tilery/pkg/bucket/buckettest"
	"github.com/tilery/tilery/pkg/offline"
	"github.com/tilery/tilery/pkg/offline/delta"
	"github.com/tilery/tilery/pkg/offline/offlinetest"
)

// torn is what a store that breaks its promises may leave of an object.
var torn = map[string]func(whole []byte) []byte{
	"empty":             func([]byte) []byte { return nil },
	"cut in half":       func(whole []byte) []byte { return whole[:len(whole)/2] },
	"cut after a line":  func(whole []byte) []byte { return whole[:bytes.IndexByte(whole, '\n')+1] },
	"half a line more":  func(whole []byte) []byte { return append(bytes.Clone(whole), `{"txn":{"appId":`...) },
	"a whole line more": func(whole []byte) []byte { return append(bytes.Clone(whole), `{"txn":{}}`...) },
	"a line lost":       func(whole []byte) []byte { return whole[:bytes.LastIndexByte(whole[:len(whole)-1], '\n')+1] },
	"zeros":             func(whole []byte) []byte { return make([]byte, len(whole)) },
	"zeros at the end": func(whole []byte) []byte {
		return append(bytes.Clone(whole[:len(whole)/2]), make([]byte, len(whole)/2)...)
	},
	"bytes of other data": func(whole []byte) []byte { return bytes.Repeat([]byte("PAR1\x15\xff"), len(whole)/6) },
}

// behind returns the table of b as a process knows it that read the log before
// the given version was there.
func behind(t *testing.T, b bucket.Bucket, version int) (offline.Table, *buckettest.Memory) {
	memory, err := buckettest.MemoryOf(t.Context(), b)
	require.NoError(t, err)
	later := map[string][]byte{}
	for n := version; exists(t, memory, logKey(n)); n++ {
		later[logKey(n)], err = memory.Get(t.Context(), logKey(n))
		require.NoError(t, err)
		require.NoError(t, memory.Delete(t.Context(), logKey(n)))
	}
	table := open(t, memory, delta.Options{})
	for key, data := range later {
		require.NoError(t, memory.Put(t.Context(), key, data))
	}
	return table, memory
}

// logOf returns the keys of the log.
func logOf(t *testing.T, b bucket.Bucket) (keys []string) {
	for info, err := range b.List(t.Context(), offlinetest.Spec().Path+"/_delta_log/", "") {
		require.NoError(t, err)
		keys = append(keys, info.Key)
	}
	return keys
}

// requireCorrupt demands that an error says what is corrupt.
func requireCorrupt(t *testing.T, err error, key string) {
	require.ErrorIs(t, err, offline.ErrCorrupt)
	require.ErrorContains(t, err, key)
}

var gapBuild = offline.Build{Window: hour(9), ReadAt: readAt(9)} // empty: it needs no file

func TestATornLogFileFailsEveryCallWithItsName(t *testing.T) {
	t.Parallel()
	b := threeVersions(t)
	for version := range 4 {
		for name, tear := range torn {
			t.Run(fmt.Sprintf("version %d, %s", version, name), func(t *testing.T) {
				table, memory := behind(t, b, max(version, 1))
				whole, err := memory.Get(t.Context(), logKey(version))
				require.NoError(t, err)
				put(t, memory, logKey(version), string(tear(whole)))
				_, err = delta.New(memory, delta.Options{}).Open(t.Context(), offlinetest.Spec())
				requireCorrupt(t, err, logKey(version))
				if version == 0 {
					return // the other table has read it already
				}
				_, err = table.Snapshot(t.Context())
				requireCorrupt(t, err, logKey(version))
				_, err = table.Changes(t.Context(), 0, int64(version-1))
				requireCorrupt(t, err, logKey(version))
				_, err = table.Commit(t.Context(), offline.Commit{ID: "ours", Builds: []offline.Build{gapBuild}})
				requireCorrupt(t, err, logKey(version))
				require.Len(t, logOf(t, memory), 4, "nothing was added")
			})
		}
	}
}

func TestAMissingLogFileFailsWithItsName(t *testing.T) {
	t.Parallel()
	b := threeVersions(t)
	for version := range 3 { // the first, the middle, the last but one
		t.Run(fmt.Sprint("version ", version), func(t *testing.T) {
			table, memory := behind(t, b, max(version, 1))
			require.NoError(t, memory.Delete(t.Context(), logKey(version)))
			_, err := delta.New(memory, delta.Options{}).Open(t.Context(), offlinetest.Spec())
			requireCorrupt(t, err, logKey(version))
			if version == 0 {
				return
			}
			// A process that is behind cannot tell it from the end of the log until it
			// lists the log: once a minute, and before it puts anything.
			s, err := table.Snapshot(t.Context())
			require.NoError(t, err)
			require.EqualValues(t, version-1, s.Version, "not shorter than what it has seen")
			_, err = table.Commit(t.Context(), offline.Commit{ID: "ours", Builds: []offline.Build{gapBuild}})
			requireCorrupt(t, err, logKey(version))
			require.Len(t, logOf(t, memory), 3, "the gap is not filled")
		})
	}
}

// Nothing in a log tells that its last version was there. What followed it does:
// the next version of a writer who has seen it, or the status of an online store.
func TestAMissingLastLogFileIsFoundByWhatFollowedIt(t *testing.T) {
	t.Parallel()
	b := threeVersions(t)
	table := open(t, b, delta.Options{})
	require.NoError(t, b.Delete(t.Context(), logKey(3)))
	require.NoError(t, reopen(t, b), "the limit: version 2 was a whole table once")

	commit(t, table, "next", false, gapBuild)
	require.True(t, exists(t, b, logKey(4)))
	requireCorrupt(t, reopen(t, b), logKey(3))
}

func TestAMissingOrTornDataFileFailsReadersAndCopiesWithItsName(t *testing.T) {
	t.Parallel()
	for name, damage := range map[string]func(whole []byte) []byte{
		"missing": nil, "empty": torn["empty"], "cut in half": torn["cut in half"], "zeros": torn["zeros"],
		"bytes of other data": torn["bytes of other data"], "zeros at the end": torn["zeros at the end"],
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b, table, _ := merged(t)
			before, err := table.Snapshot(t.Context())
			require.NoError(t, err)
			path := before.Files[0].Path
			key := offlinetest.Spec().Path + "/" + path
			whole, err := b.Get(t.Context(), key)
			require.NoError(t, err)
			require.NoError(t, b.Delete(t.Context(), key))
			if damage != nil {
				put(t, b, key, string(damage(whole)))
			}
			for _, table := range []offline.Table{table, open(t, b, delta.Options{})} {
				s, err := table.Snapshot(t.Context())
				require.NoError(t, err)
				require.Equal(t, before, s, "the log is whole: the table is not shorter")
				_, err = offlinetest.ReadRows(t.Context(), table, s.Files)
				requireCorrupt(t, err, path)
				_, err = table.Commit(t.Context(), offline.Commit{ID: "replace", Overwrite: true, Builds: []offline.Build{{Window: hour(0), ReadAt: readAt(2)}}})
				requireCorrupt(t, err, path)
			}
			require.Len(t, logOf(t, b), 3, "nothing was added")
		})
	}
}
