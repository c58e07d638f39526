package e2e_test

import (
	"bytes"
	"encoding/binary"
	"hash/fnv"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	cockroach "github.com/cockroachdb/pebble/v2"
	"github.com/stretchr/testify/require"

	"github.com/tilery/tilery/pkg/online"
)

// scaleCells is what the files of the online store hold of a view.
type scaleCells struct {
	deleted int               // cells of keys that are to be deleted
	kept    map[uint64]uint64 // others, by hashes: key -> value without versions
	times   map[account]int64 // of rows of the table, in microseconds
}

// account is a key of the table.
type account struct {
	name   string
	device int64
}

// cells stops the worker and reads the files of its online store by their own library:
// nothing of the product but where a key is split.
func (d *scale) cells(t *testing.T) map[string]*scaleCells {
	t.Helper()
	d.stopWorker(t)
	comparer := *cockroach.DefaultComparer
	comparer.Name, comparer.Split = "tilery.online.1", online.SplitKey
	db, err := cockroach.Open(filepath.Join(d.dir, "online"), &cockroach.Options{Comparer: &comparer, ReadOnly: true, Logger: silent{t}})
	require.NoError(t, err)
	defer func() { require.NoError(t, db.Close()) }()
	all, err := db.NewIter(nil)
	require.NoError(t, err)
	defer func() { require.NoError(t, all.Close()) }()
	found := map[string]*scaleCells{}
	for view := range scaleTables {
		found[view] = &scaleCells{kept: map[uint64]uint64{}, times: map[account]int64{}}
	}
	for valid := all.First(); valid; valid = all.Next() {
		for _, text := range scaleTexts {
			require.False(t, bytes.Contains(all.Value(), []byte(text)), "a value holds a key")
		}
		store, rest, ok := bytes.Cut(all.Key()[1:], []byte{0, 1})
		require.True(t, ok, "%x", all.Key())
		if rest[0] == 1 { // of an entity
			view := strings.Split(string(store), "/")[1]
			found[view].add(view, all.Key(), unescape(rest[1:]), all.Value())
		}
	}
	require.NoError(t, all.Error())
	return found
}

// silent is a logger that tells only why the test cannot go on.
type silent struct{ *testing.T }

func (silent) Infof(string, ...any)  {}
func (silent) Errorf(string, ...any) {}

// unescape undoes what keeps keys in order.
func unescape(data []byte) []byte { return bytes.ReplaceAll(data, []byte{0, 0xff}, []byte{0}) }

// add takes a cell. Entities begin with a byte, and each of their values with another.
func (c *scaleCells) add(view string, key, entity, cell []byte) {
	deleted := false
	switch view {
	case "purchases":
		deleted = bytes.Contains(entity, []byte("-erase-me-"))
	case "visits":
		deleted = number(entity[2:])%1_000_000_000_000 == 777_777_777_777
	case "accounts":
		name, rest, _ := bytes.Cut(entity[2:], []byte{0, 1})
		of := account{string(name), number(rest[1:])}
		deleted = strings.Contains(of.name, "-erase-me-") || strings.Contains(of.name, "-shared-") && of.device == 1
		c.times[of] = number(cell[29:])
	}
	if deleted {
		c.deleted++
		return
	}
	c.kept[hashOf(key)] = hashOf(withoutVersions(cell, view != "visits"))
}

// number decodes eight bytes whose order is that of the numbers.
func number(data []byte) int64 { return int64(binary.BigEndian.Uint64(data) ^ 1<<63) }

// withoutVersions leaves out of a cell its version and its checksum, and of a row in it
// which version of the log has added it: a window that is built again has another.
func withoutVersions(cell []byte, row bool) []byte {
	value := cell[10 : len(cell)-4]
	if row {
		return slices.Concat(cell[:2], value[:27], value[35:])
	}
	return slices.Concat(cell[:2], value)
}

func hashOf(data []byte) uint64 {
	hash := fnv.New64a()
	_, _ = hash.Write(data) // never fails
	return hash.Sum64()
}

// requireSameCells compares without printing what is equal.
func requireSameCells(t *testing.T, view string, want, got map[uint64]uint64) {
	t.Helper()
	missing, other := 0, 0
	for key, value := range want {
		now, ok := got[key]
		switch {
		case !ok:
			missing++
		case now != value:
			other++
		}
	}
	require.NotEmpty(t, want, view)
	require.Zero(t, missing, "of %d cells of %s", len(want), view)
	require.Zero(t, other, "of %d cells of %s have another value", len(want), view)
	require.Len(t, got, len(want), view)
	t.Logf("%s: %d cells of other keys are as they were", view, len(want))
}

// requireNewest compares the time of each row of the table online with the newest that
// was ingested, of deleted keys only where an exception in SQL is true.
func (d *scale) requireNewest(t *testing.T, got map[account]int64, exception string) {
	t.Helper()
	want := map[account]int64{}
	for _, row := range query(t, "scale_newest.sql", "frames="+filepath.Join(d.source, "frames"),
		"where=(NOT "+scaleTables["accounts"].deleted+" OR "+exception+")") {
		want[account{row[0].(string), integer(t, row[1])}] = integer(t, row[2])
	}
	require.NotEmpty(t, want)
	require.True(t, maps.Equal(want, got), "%d keys online, want %d", len(got), len(want))
	t.Logf("accounts: %d keys have their newest row online", len(want))
}
