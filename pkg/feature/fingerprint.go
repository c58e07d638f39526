package feature

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/tilery/tilery/pkg/window"
)

// fingerprintFormat is raised when the same definition would be stored in
// other bytes than before: another tile layout, key or state encoding.
const fingerprintFormat = 1

// fingerprinted is what determines the bytes that a view stores. The hash is over
// its JSON: a field that is added leaves the stored data of every view that does
// not use it alone only if its zero is omitted.
type fingerprinted struct {
	Format         int
	Mode           string
	SQL            string
	Sources        []fingerprintedSource
	JoinKeys       []Field
	TimestampField string
	Partials       []Partial
	Interval       time.Duration
	Schedule       time.Duration
	Features       Schema `json:",omitempty"` // of rows; tiles have Partials
	SecondaryKey   string `json:",omitempty"`
	Ingested       bool   `json:",omitempty"`
}

type fingerprintedSource struct {
	Name             string
	URI              string
	FileFormat       FileFormat
	TimestampField   string
	Schema           Schema
	StartTimeOffset  Offset                    `json:",omitzero"`
	PartitionColumns []DatetimePartitionColumn `json:",omitempty"` // they decide which files a window sees
	DeltaVersion     *int64                    `json:",omitempty"`
	DeltaTimestamp   window.Time               `json:",omitzero"`
}

// Fingerprint identifies the bytes that the view stores: a hash of the SQL, the
// sources less their delay, how far back it sees them, the join keys, the columns
// of its tiles or rows, the aggregation interval and the batch schedule.
// Descriptions, start times, ttl, triggers, the serving index, windows that the
// stored tiles already serve, and the order of sources and aggregations do not
// count. 16 hexadecimal digits.
func (v View) Fingerprint() (string, error) {
	f := fingerprinted{
		Format: fingerprintFormat, Mode: v.Mode, SQL: strings.TrimSpace(v.Transformation), Sources: v.fingerprintedSources(),
		JoinKeys: v.JoinKeys(), SecondaryKey: v.AggregationSecondaryKey, TimestampField: v.TimestampField, Interval: v.Interval(), Schedule: v.Schedule(), Ingested: v.Ingested,
	}
	var err error
	if v.Aggregated() {
		f.Partials, err = Partials(v.Aggregations, v.Schema)
	} else {
		f.Features, err = v.Features()
	}
	if err != nil {
		return "", fmt.Errorf("fingerprint of %s: %w", v.Name, err)
	}
	data, err := json.Marshal(f)
	if err != nil {
		return "", fmt.Errorf("fingerprint of %s: %w", v.Name, err)
	}
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:8]), nil
}

func (v View) fingerprintedSources() []fingerprintedSource {
	out := make([]fingerprintedSource, len(v.Sources))
	for i, s := range v.Sources {
		config := s.BatchConfig
		out[i] = fingerprintedSource{
			Name: s.Name, URI: config.URI, FileFormat: config.FileFormat, TimestampField: config.TimestampField, Schema: s.Schema,
			StartTimeOffset: s.StartTimeOffset, PartitionColumns: config.DatetimePartitionColumns,
			DeltaVersion: config.DeltaVersion, DeltaTimestamp: config.DeltaTimestamp,
		}
	}
	slices.SortFunc(out, func(a, b fingerprintedSource) int { return cmp.Compare(a.Name, b.Name) })
	return out
}
