package offlinetest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/apache/arrow/go/v15/arrow/memory"
	"github.com/apache/arrow/go/v15/parquet/file"
	"github.com/apache/arrow/go/v15/parquet/pqarrow"
	"github.com/stretchr/testify/require"

	"github.com/tilery/tilery/pkg/bucket"
	"github.com/tilery/tilery/pkg/offline"
	"github.com/tilery/tilery/pkg/window"
)

// Audited is what a Delta log says, read without a driver.
type Audited struct {
	Version int64
	ReadAt  map[window.Time]window.Time // covered windows
	Paths   []string                    // live files, sorted
	Rows    []Row                       // of the live files, sorted
	Commits []AuditedCommit             // by version
}

// AuditedCommit is one version of the log.
type AuditedCommit struct {
	ID      string
	Windows map[window.Time]window.Time // that it covered: start -> ReadAt

	operation string
	added     int // files
	removed   int
	changes   bool // it says that it changes rows
}

// Audit reads the table of spec and checks the invariants that a log and its
// bucket show by themselves: B1, B3, B4, and of B2 that no row lies outside the
// covered windows. The rows of a covered window are the caller's to compare.
func Audit(t testing.TB, b bucket.Bucket, spec offline.Spec) Audited {
	t.Helper()
	a := auditor{TB: t, bucket: b, spec: spec, live: map[string]bool{}, ids: map[string]int64{},
		Audited: Audited{Version: -1, ReadAt: map[window.Time]window.Time{}}}
	for info, err := range b.List(t.Context(), spec.Path+"/_delta_log/", "") {
		require.NoError(t, err)
		if !strings.HasSuffix(info.Key, ".json") { // a checkpoint: the versions say all
			continue
		}
		a.Version++
		require.Equal(t, fmt.Sprintf("%s/_delta_log/%020d.json", spec.Path, a.Version), info.Key, "gap in the log")
		data, err := b.Get(t.Context(), info.Key)
		require.NoError(t, err)
		a.Commits = append(a.Commits, AuditedCommit{Windows: map[window.Time]window.Time{}})
		for line := range bytes.Lines(data) {
			a.line(line)
		}
		a.checkKind()
	}
	for path := range a.live {
		a.Paths = append(a.Paths, path)
	}
	slices.Sort(a.Paths)
	for _, path := range a.Paths {
		a.Rows = append(a.Rows, a.readFile(path)...)
	}
	sortRows(a.Rows)
	for _, row := range a.Rows {
		require.Contains(t, a.ReadAt, row.At.Floor(spec.Step), "B2: a row in a window that is not covered")
	}
	return a.Audited
}

type auditor struct {
	testing.TB
	Audited
	bucket bucket.Bucket
	spec   offline.Spec
	live   map[string]bool
	ids    map[string]int64 // commit id -> version
}

type auditedAction struct {
	CommitInfo *struct {
		Operation string `json:"operation"`
		Tilery    struct {
			CommitID string `json:"commit_id"`
		} `json:"tilery"`
	} `json:"commitInfo"`
	Add    *auditedFile `json:"add"`
	Remove *auditedFile `json:"remove"`
	Txn    *struct {
		AppID   string `json:"appId"`
		Version int64  `json:"version"`
	} `json:"txn"`
}

type auditedFile struct {
	Path       string `json:"path"`
	DataChange bool   `json:"dataChange"`
}

// checkKind holds the newest version to what its operation promises: maintenance
// changes neither rows nor coverage. That a compaction keeps the rows shows at the
// end, when all rows are compared.
func (a *auditor) checkKind() {
	a.Helper()
	c := a.Commits[a.Version]
	if c.operation != "OPTIMIZE" && c.operation != "VACUUM" {
		return
	}
	require.False(a, c.changes, "version %d changes rows", a.Version)
	require.Empty(a, c.Windows, "version %d", a.Version)
	if c.operation == "VACUUM" {
		require.Zero(a, c.added+c.removed, "version %d", a.Version)
	} else {
		require.Less(a, c.added, c.removed, "version %d", a.Version)
	}
}

func (a *auditor) line(line []byte) {
	a.Helper()
	var action auditedAction
	require.NoError(a, json.Unmarshal(line, &action))
	made := &a.Commits[a.Version]
	switch {
	case action.CommitInfo != nil:
		id := action.CommitInfo.Tilery.CommitID
		require.NotEmpty(a, id)
		require.NotContains(a, a.ids, id, "B3: a commit id twice")
		a.ids[id] = a.Version
		made.ID, made.operation = id, action.CommitInfo.Operation
	case action.Add != nil:
		require.False(a, a.live[action.Add.Path], "%s is added twice", action.Add.Path)
		a.live[action.Add.Path] = true
		made.added++
		made.changes = made.changes || action.Add.DataChange
	case action.Remove != nil:
		require.True(a, a.live[action.Remove.Path], "%s is removed, but not live", action.Remove.Path)
		delete(a.live, action.Remove.Path)
		made.removed++
		made.changes = made.changes || action.Remove.DataChange
	case action.Txn != nil && strings.HasPrefix(action.Txn.AppID, "w/"):
		start, err := window.Parse(action.Txn.AppID[2:])
		require.NoError(a, err)
		readAt := window.Time(action.Txn.Version)
		require.Greater(a, readAt, a.ReadAt[start], "B4: the ReadAt of %v went back, or B2: a build won twice", start)
		a.ReadAt[start] = readAt
		made.Windows[start] = readAt
	}
}

func (a *auditor) readFile(path string) []Row {
	a.Helper()
	data, err := a.bucket.Get(a.Context(), a.spec.Path+"/"+path)
	require.NoError(a, err, "B1: a live file is missing")
	parquet, err := file.NewParquetReader(bytes.NewReader(data))
	require.NoError(a, err)
	defer func() { require.NoError(a, parquet.Close()) }()
	arrows, err := pqarrow.NewFileReader(parquet, pqarrow.ArrowReadProperties{}, memory.DefaultAllocator)
	require.NoError(a, err)
	table, err := arrows.ReadTable(a.Context())
	require.NoError(a, err)
	defer table.Release()

	var rows []Row
	records := array.NewTableReader(table, 1<<20)
	defer records.Release()
	for records.Next() {
		rows = AppendRows(rows, records.Record())
	}
	require.NoError(a, records.Err())
	require.True(a, slices.IsSortedFunc(rows, func(x, y Row) int {
		return strings.Compare(sortKey(x), sortKey(y))
	}), "rows of %s are out of order", path)
	return rows
}

// sortKey renders key and time of the tests' rows so that texts sort as they do.
func sortKey(r Row) string { return fmt.Sprintf("%s|%020d|%020d", r.User, r.Item+1<<32, r.At) }
