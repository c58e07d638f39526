package feature

import (
	"time"

	"github.com/tilery/tilery/pkg/window"
)

// IngestSequence is the column of a feature table's offline table that orders what was
// ingested: of rows with the same join keys and timestamp the greatest counts.
const IngestSequence = "ingest_sequence"

// TimestampField returns the column of type Timestamp, of which Validate has seen that
// there is one.
func (t FeatureTable) TimestampField() string {
	for _, column := range t.Schema {
		if column.Type == Timestamp {
			return column.Name
		}
	}
	return ""
}

// view returns the table as a view without its entities. Its rows take effect at their
// own timestamp. That is what a view does whose windows last a microsecond, and are
// complete a microsecond before they end; so all formulas of time hold for both.
func (t FeatureTable) view() View {
	return View{
		BatchFeatureView: BatchFeatureView{
			Metadata: t.Metadata, Entities: t.Entities, Schema: t.Schema, TimestampField: t.TimestampField(),
			TTL: t.TTL, OnlineServingIndex: t.OnlineServingIndex, Online: t.Online, Offline: t.Offline,
			BatchSchedule: Duration(time.Microsecond), FeatureStartTime: window.MinTime,
		},
		Ingested: true,
	}
}
