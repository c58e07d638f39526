package deltalog

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strings"
)

// action is one line of a commit. One of its fields is set; lines of other kinds
// concern writers.
type action struct {
	Add        *add        `json:"add"`
	Remove     *remove     `json:"remove"`
	MetaData   *metaData   `json:"metaData"`
	Protocol   *protocol   `json:"protocol"`
	CommitInfo *commitInfo `json:"commitInfo"`
}

type add struct {
	Path            string             `json:"path"` // URL-encoded
	PartitionValues map[string]*string `json:"partitionValues"`
	Size            int64              `json:"size"`
	Stats           string             `json:"stats"` // JSON
	DeletionVector  *deletionVector    `json:"deletionVector"`
}

type remove struct {
	Path           string          `json:"path"`
	DeletionVector *deletionVector `json:"deletionVector"`
}

// deletionVector names the rows of a file that are deleted.
type deletionVector struct {
	StorageType    string `json:"storageType"`
	PathOrInlineDv string `json:"pathOrInlineDv"`
	Offset         *int32 `json:"offset"`
}

// fileKey tells live files apart: one path may be live with one set of deleted rows only.
type fileKey struct{ path, vector string }

func keyOf(path string, v *deletionVector) fileKey {
	if v == nil {
		return fileKey{path: path}
	}
	offset := int32(0)
	if v.Offset != nil {
		offset = *v.Offset
	}
	return fileKey{path, fmt.Sprintf("%s%s@%d", v.StorageType, v.PathOrInlineDv, offset)}
}

type metaData struct {
	SchemaString     string            `json:"schemaString"`
	PartitionColumns []string          `json:"partitionColumns"`
	Configuration    map[string]string `json:"configuration"`
	Format           struct {
		Provider string `json:"provider"`
	} `json:"format"`
}

type protocol struct {
	MinReaderVersion int      `json:"minReaderVersion"`
	ReaderFeatures   []string `json:"readerFeatures"`
}

type commitInfo struct {
	InCommitTimestamp int64 `json:"inCommitTimestamp"` // milliseconds
	Timestamp         int64 `json:"timestamp"`         // milliseconds
}

// known are the reader features that need nothing of this reader, or whose use it
// finds where it is: column mapping in the table's configuration, deletion vectors
// at the files that have one.
var known = []string{"columnMapping", "deletionVectors", "timestampNtz", "vacuumProtocolCheck"}

func (p protocol) check() error {
	if p.MinReaderVersion < 1 || p.MinReaderVersion > 3 {
		return fmt.Errorf("%w: it needs a reader of version %d, known are 1 to 3", ErrUnsupported, p.MinReaderVersion)
	}
	for _, feature := range p.ReaderFeatures {
		if !slices.Contains(known, feature) {
			return fmt.Errorf("%w: it has the reader feature %s", ErrUnsupported, feature)
		}
	}
	return nil
}

func (m metaData) check() error {
	if m.Format.Provider != "" && m.Format.Provider != "parquet" {
		return fmt.Errorf("%w: its files are %s, not parquet", ErrUnsupported, m.Format.Provider)
	}
	if mode := m.Configuration["delta.columnMapping.mode"]; mode != "" && mode != "none" {
		return fmt.Errorf("%w: it has column mapping by %s", ErrUnsupported, mode)
	}
	return nil
}

// columns returns the names of the table's columns.
func (m metaData) columns() ([]string, error) {
	var schema struct {
		Fields []struct {
			Name string `json:"name"`
		} `json:"fields"`
	}
	if err := json.Unmarshal([]byte(m.SchemaString), &schema); err != nil {
		return nil, fmt.Errorf("%w: the table's schema: %w", ErrDamaged, err)
	}
	names := make([]string, len(schema.Fields))
	for i, f := range schema.Fields {
		names[i] = f.Name
	}
	return names, nil
}

// maxCommitBytes bounds a commit, which is read as a whole.
const maxCommitBytes = 256 << 20

func readCommit(path string) ([]action, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if info.Size() > maxCommitBytes {
		return nil, fmt.Errorf("%s: %w: a commit of %d bytes, at most %d are read", path, ErrUnsupported, info.Size(), maxCommitBytes)
	}
	content, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	actions, err := parseCommit(content)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return actions, nil
}

// parseCommit reads the lines of a commit. A line that is not whole means that
// the file is not: its writer does not put it in place at once.
func parseCommit(content []byte) ([]action, error) {
	var actions []action
	number := 0
	for line := range bytes.Lines(content) {
		number++
		if line = bytes.TrimSpace(line); len(line) == 0 {
			continue
		}
		var a action
		if err := json.Unmarshal(line, &a); err != nil {
			return nil, fmt.Errorf("%w: line %d: %w", ErrDamaged, number, err)
		}
		actions = append(actions, a)
	}
	if len(actions) == 0 {
		return nil, fmt.Errorf("%w: the commit is empty", ErrDamaged)
	}
	return actions, nil
}

// isURL reports whether a data file's path begins with a scheme.
func isURL(path string) bool {
	scheme, _, ok := strings.Cut(path, ":")
	return ok && scheme != "" && !strings.ContainsAny(scheme, "/%=")
}
