package serve

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"

	"github.com/tilery/tilery/pkg/api"
	"github.com/tilery/tilery/pkg/erase"
	"github.com/tilery/tilery/pkg/frame"
	"github.com/tilery/tilery/pkg/window"
)

// decodeDeletion reads a request with its keys in one JSON document. Unknown fields are
// refused: a misspelt one would have more deleted than was meant.
func decodeDeletion(body io.ReaderAt, size int64, now window.Time) (deletionAsk, error) {
	if size > maxDeletionDocument {
		return deletionAsk{}, fail(api.InvalidArgument, "the request has %d bytes, want at most %d: send more keys as a file, and the rest as parameters",
			size, maxDeletionDocument)
	}
	var document api.DeleteKeysRequest
	decoder := json.NewDecoder(io.NewSectionReader(body, 0, size))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&document); err != nil {
		return deletionAsk{}, fail(api.InvalidArgument, "request body: %v", err)
	}
	if _, err := decoder.Token(); err != io.EOF {
		return deletionAsk{}, fail(api.InvalidArgument, "request body: want one document, found something after it")
	}
	rows, err := keyRows(document.Keys)
	if err != nil {
		return deletionAsk{}, err
	}
	until, err := parseForget(document.ForgetUntil, now)
	if err != nil {
		return deletionAsk{}, err
	}
	out := deletionAsk{keys: bytes.NewReader(rows), size: int64(len(rows)), format: frame.JSON, request: erase.Request{
		Workspace: document.Workspace, View: document.FeatureView, Forget: until, Datasets: document.Datasets,
		Online: document.Online == nil || *document.Online, Offline: document.Offline == nil || *document.Offline,
	}}
	return out, out.check()
}

// keyRows returns columns as rows, a JSON object a line.
func keyRows(columns map[string][]json.RawMessage) ([]byte, error) {
	names := slices.Sorted(maps.Keys(columns))
	if len(names) == 0 {
		return nil, fail(api.InvalidArgument, "keys are required: an array of values for each join key")
	}
	count := len(columns[names[0]])
	for _, name := range names {
		if len(columns[name]) != count {
			return nil, fail(api.InvalidArgument, "keys: %s has %d values and %s has %d, want as many", names[0], count, name, len(columns[name]))
		}
	}
	var out bytes.Buffer
	for i := range count {
		row := make(map[string]json.RawMessage, len(names))
		for _, name := range names {
			row[name] = columns[name][i]
		}
		line, err := json.Marshal(row)
		if err != nil {
			return nil, fmt.Errorf("encode keys: %w", err)
		}
		out.Write(append(line, '\n'))
	}
	return out.Bytes(), nil
}
