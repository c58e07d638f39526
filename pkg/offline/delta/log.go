package delta

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"

	"github.com/tilery/tilery/pkg/offline"
)

// formatVersion is the version of what Tilery adds to a Delta table: the tags of
// files, the transactions of windows, the order of rows.
const formatVersion = "1"

const engineInfo = "Tilery"

// Bounds of one version of the log.
const (
	maxVersionBytes = 64 << 20
	maxLineBytes    = 8 << 20
)

// commitInfo tells people who did what. Tilery's part carries the commit's id,
// and the number of lines, so that a version cut off between two lines is found.
type commitInfo struct {
	Timestamp           int64             `json:"timestamp"` // milliseconds
	Operation           string            `json:"operation"`
	OperationParameters map[string]string `json:"operationParameters"`
	EngineInfo          string            `json:"engineInfo"`
	Tilery              *tileryInfo       `json:"tilery,omitempty"`
}

type tileryInfo struct {
	CommitID   string       `json:"commit_id"`
	Job        string       `json:"job,omitempty"`
	Generation int64        `json:"generation,omitempty"`
	Online     bool         `json:"online"`
	Windows    []windowInfo `json:"windows,omitempty"`
	Appends    []appendInfo `json:"appends,omitempty"`
	Erased     *erasedInfo  `json:"erased,omitempty"`
	Lines      int          `json:"lines"` // of this version, commitInfo included
}

type protocol struct {
	MinReaderVersion int      `json:"minReaderVersion"`
	MinWriterVersion int      `json:"minWriterVersion"`
	ReaderFeatures   []string `json:"readerFeatures,omitempty"`
	WriterFeatures   []string `json:"writerFeatures,omitempty"`
}

type tableFormat struct {
	Provider string            `json:"provider"`
	Options  map[string]string `json:"options"`
}

type metaData struct {
	ID               string            `json:"id"`
	Name             string            `json:"name,omitempty"`
	Description      string            `json:"description,omitempty"`
	Format           tableFormat       `json:"format"`
	SchemaString     string            `json:"schemaString"`
	PartitionColumns []string          `json:"partitionColumns"`
	Configuration    map[string]string `json:"configuration"`
	CreatedTime      int64             `json:"createdTime"` // milliseconds
}

type addFile struct {
	Path             string            `json:"path"`
	PartitionValues  map[string]string `json:"partitionValues"`
	Size             int64             `json:"size"`
	ModificationTime int64             `json:"modificationTime"` // milliseconds
	DataChange       bool              `json:"dataChange"`
	Stats            string            `json:"stats"`
	Tags             map[string]string `json:"tags,omitempty"`
	DeletionVector   json.RawMessage   `json:"deletionVector,omitempty"`
}

type removeFile struct {
	Path                 string            `json:"path"`
	DeletionTimestamp    int64             `json:"deletionTimestamp"` // milliseconds
	DataChange           bool              `json:"dataChange"`
	ExtendedFileMetadata bool              `json:"extendedFileMetadata"`
	PartitionValues      map[string]string `json:"partitionValues"`
	Size                 int64             `json:"size"`
}

type transaction struct {
	AppID       string `json:"appId"`
	Version     int64  `json:"version"`
	LastUpdated int64  `json:"lastUpdated"` // milliseconds
}

// version is one decoded object of the log.
type version struct {
	number   int64
	info     *commitInfo
	protocol *protocol
	metaData *metaData
	adds     []addFile
	removes  []removeFile
	txns     []transaction
}

// encodeLines renders one action a line. Each element is a map of one action by its name.
func encodeLines(actions []map[string]any) ([]byte, error) {
	var out bytes.Buffer
	encoder := json.NewEncoder(&out) // ends each value with a newline
	for _, action := range actions {
		if err := encoder.Encode(action); err != nil {
			return nil, fmt.Errorf("encode action: %w", err)
		}
	}
	if out.Len() > maxVersionBytes {
		return nil, fmt.Errorf("version has %d bytes, at most %d are allowed", out.Len(), maxVersionBytes)
	}
	return out.Bytes(), nil
}

// decodeVersion reads one object of the log. Errors name the line, counted from 1.
func decodeVersion(number int64, data []byte) (*version, error) {
	if len(data) > maxVersionBytes {
		return nil, fmt.Errorf("%w: version has %d bytes, at most %d are allowed", offline.ErrCorrupt, len(data), maxVersionBytes)
	}
	v := &version{number: number}
	lines := 0
	for line := range bytes.Lines(data) {
		lines++
		if err := v.decodeLine(bytes.TrimRight(line, "\r\n")); err != nil {
			return nil, fmt.Errorf("line %d: %w", lines, err)
		}
	}
	if lines == 0 {
		return nil, fmt.Errorf("%w: version is empty", offline.ErrCorrupt)
	}
	if v.info != nil && v.info.Tilery != nil && v.info.Tilery.Lines != lines {
		return nil, fmt.Errorf("%w: version has %d lines of %d", offline.ErrCorrupt, lines, v.info.Tilery.Lines)
	}
	return v, nil
}

func (v *version) decodeLine(line []byte) error {
	if len(line) > maxLineBytes {
		return fmt.Errorf("%w: %d bytes, at most %d are allowed", offline.ErrCorrupt, len(line), maxLineBytes)
	}
	var action map[string]json.RawMessage
	if err := json.Unmarshal(line, &action); err != nil {
		return fmt.Errorf("%w: %w", offline.ErrCorrupt, err)
	}
	if len(action) != 1 {
		return fmt.Errorf("%w: %d actions, want one", offline.ErrCorrupt, len(action))
	}
	for name, body := range action {
		if err := v.decodeAction(name, body); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	return nil
}

func (v *version) decodeAction(name string, body json.RawMessage) error {
	switch name {
	case "commitInfo":
		return v.decodeInfo(body)
	case "protocol":
		return decodeOnce(body, &v.protocol)
	case "metaData":
		return decodeOnce(body, &v.metaData)
	case "add":
		return decodeAppend(body, &v.adds)
	case "remove":
		return decodeAppend(body, &v.removes)
	case "txn":
		return decodeAppend(body, &v.txns)
	}
	return fmt.Errorf("%w: unknown action", offline.ErrMismatch)
}

// decodeInfo takes the time and Tilery's part: other writers put there what they like.
func (v *version) decodeInfo(body json.RawMessage) error {
	if v.info != nil {
		return fmt.Errorf("%w: given twice", offline.ErrCorrupt)
	}
	var ours struct {
		Timestamp json.RawMessage `json:"timestamp"`
		Tilery    *tileryInfo     `json:"tilery"`
	}
	if err := json.Unmarshal(body, &ours); err != nil {
		return fmt.Errorf("%w: %w", offline.ErrCorrupt, err)
	}
	v.info = &commitInfo{Tilery: ours.Tilery}
	if json.Unmarshal(ours.Timestamp, &v.info.Timestamp) != nil {
		v.info.Timestamp = 0 // in a form of another writer
	}
	return nil
}

func decodeOnce[T any](body json.RawMessage, into **T) error {
	if *into != nil {
		return fmt.Errorf("%w: given twice", offline.ErrCorrupt)
	}
	var value T
	if err := json.Unmarshal(body, &value); err != nil {
		return fmt.Errorf("%w: %w", offline.ErrCorrupt, err)
	}
	*into = &value
	return nil
}

func decodeAppend[T any](body json.RawMessage, to *[]T) error {
	var value T
	if err := json.Unmarshal(body, &value); err != nil {
		return fmt.Errorf("%w: %w", offline.ErrCorrupt, err)
	}
	*to = append(*to, value)
	return nil
}

// supported refuses tables that need features which this package does not know.
func (p protocol) supported() error {
	if p.MinReaderVersion != 1 || p.MinWriterVersion < 1 || p.MinWriterVersion > 2 || len(p.ReaderFeatures)+len(p.WriterFeatures) > 0 {
		return fmt.Errorf("%w: protocol (%d, %d) with features %q, want at most (1, 2)", offline.ErrMismatch,
			p.MinReaderVersion, p.MinWriterVersion, append(p.ReaderFeatures, p.WriterFeatures...))
	}
	return nil
}

// logFolder is where the versions of a table lie.
func logFolder(table string) string { return table + "/_delta_log/" }

// numberKey is less than the keys of all that the log holds of a version, and
// greater than those of versions before it.
func numberKey(table string, number int64) string {
	return fmt.Sprintf("%s%020d", logFolder(table), number)
}

func versionKey(table string, number int64) string {
	return numberKey(table, number) + "." + versionKind
}

func checkpointKey(table string, number int64) string {
	return numberKey(table, number) + "." + checkpointKind
}

// Kinds of objects in a log, as their keys end. There are others.
const (
	versionKind    = "json"
	checkpointKind = "checkpoint.parquet" // in one file
)

// parseLogKey returns which version an object of the log is about, and its kind;
// false: it is not about one version.
func parseLogKey(table, key string) (number int64, kind string, ok bool) {
	digits, kind, ok := strings.Cut(strings.TrimPrefix(key, logFolder(table)), ".")
	if !ok || len(digits) != 20 {
		return 0, "", false
	}
	number, err := strconv.ParseInt(digits, 10, 64)
	return number, kind, err == nil && number >= 0
}
