package main

import (
	"bytes"
	"compress/gzip"
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"

	enumspb "go.temporal.io/api/enums/v1"
	historypb "go.temporal.io/api/history/v1"
	"go.temporal.io/api/temporalproto"
	"go.temporal.io/sdk/client"
)

// store writes the histories of a job's runs, from the given one on.
func store(ctx context.Context, c client.Client, id, runID, directory, name string, stdout io.Writer) error {
	for number := 1; runID != ""; number++ {
		history, err := read(ctx, c, id, runID)
		if err != nil {
			return err
		}
		events := history.GetEvents()
		kind := events[0].GetWorkflowExecutionStartedEventAttributes().GetWorkflowType().GetName()
		path := filepath.Join(directory, kind, fmt.Sprintf("%s-run%d.json.gz", name, number))
		size, err := write(path, history)
		if err != nil {
			return err
		}
		last := events[len(events)-1]
		fmt.Fprintf(stdout, "%s: %d events, %d bytes, %s\n", path, len(events), size, last.GetEventType())
		runID = last.GetWorkflowExecutionContinuedAsNewEventAttributes().GetNewExecutionRunId()
	}
	return nil
}

func read(ctx context.Context, c client.Client, id, runID string) (*historypb.History, error) {
	history := &historypb.History{}
	events := c.GetWorkflowHistory(ctx, id, runID, false, enumspb.HISTORY_EVENT_FILTER_TYPE_ALL_EVENT)
	for events.HasNext() {
		event, err := events.Next()
		if err != nil {
			return nil, fmt.Errorf("read history of %s: %w", id, err)
		}
		history.Events = append(history.Events, event)
	}
	if len(history.Events) == 0 {
		return nil, fmt.Errorf("history of %s is empty", id)
	}
	return history, nil
}

// machines matches what a history tells about the machine that made it.
var machines = regexp.MustCompile(`"identity":\s*"[^"]*"`)

func write(path string, history *historypb.History) (int, error) {
	data, err := temporalproto.CustomJSONMarshalOptions{}.Marshal(history)
	if err != nil {
		return 0, fmt.Errorf("encode history: %w", err)
	}
	data = machines.ReplaceAll(data, []byte(`"identity":"worker"`))
	if host, err := os.Hostname(); err == nil { // in the names of sticky task queues
		data = bytes.ReplaceAll(data, []byte(`"`+host+`:`), []byte(`"worker:`))
	}
	var packed bytes.Buffer
	zip, err := gzip.NewWriterLevel(&packed, gzip.BestCompression)
	if err != nil {
		return 0, err
	}
	if _, err := zip.Write(data); err != nil {
		return 0, err
	}
	if err := zip.Close(); err != nil {
		return 0, err
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return 0, err
	}
	return packed.Len(), os.WriteFile(path, packed.Bytes(), 0o644)
}
