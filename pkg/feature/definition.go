package feature

import (
	"errors"
	"fmt"
	"path"
	"path/filepath"
	"strings"
	"time"

	"github.com/tilery/tilery/pkg/window"
)

// Metadata is what every definition has; it never changes stored data.
type Metadata struct {
	Name        string            `json:"name"`
	Description string            `json:"description,omitempty"`
	Owner       string            `json:"owner,omitempty"`
	Tags        map[string]string `json:"tags,omitempty"`
	// PreventDestroy has plan refuse what would delete the object or its stored data.
	PreventDestroy bool `json:"prevent_destroy,omitempty"`
	// DefinedIn is the file of the repository that defines the object; parsing sets
	// it, and it cannot be written.
	DefinedIn string `json:"defined_in,omitempty" yaml:"-"`
}

// Entity is what features describe, identified by its join keys.
type Entity struct {
	Metadata
	JoinKeys Schema `json:"join_keys"`
}

// FileFormat is the format of a source's files.
type FileFormat string

// The formats.
const (
	Parquet FileFormat = "parquet"
	CSV     FileFormat = "csv"   // with a header line; an empty field is null
	JSON    FileFormat = "json"  // one object a line
	Delta   FileFormat = "delta" // URI is the table's directory
)

// FileConfig says where the files of a batch source are and which column is its time.
type FileConfig struct {
	// URI is a path of files with slashes, relative to the worker's source root;
	// the last element may hold the wildcards * and ?. Of a Delta table it is the
	// directory. See CheckURI.
	URI            string     `json:"uri"`
	FileFormat     FileFormat `json:"file_format"`
	TimestampField string     `json:"timestamp_field"`
	// DataDelay is how long after the end of a window its data is complete.
	DataDelay Duration `json:"data_delay,omitempty"`
	// DatetimePartitionColumns are the directories between URI's directory and its
	// last element, outermost first, so that a window reads only its own.
	DatetimePartitionColumns []DatetimePartitionColumn `json:"datetime_partition_columns,omitempty"`
	// DeltaVersion and DeltaTimestamp pin a Delta table to a version of its past, or
	// to the newest of a time; at most one is given.
	DeltaVersion   *int64      `json:"delta_version,omitempty"`
	DeltaTimestamp window.Time `json:"delta_timestamp,omitzero"`
}

// DatetimePartitionColumn is a level of directories named column_name=value.
type DatetimePartitionColumn struct {
	ColumnName string `json:"column_name"`
	// Datepart is year, month, day or hour of the UTC time, or date (2006-01-02).
	Datepart   string `json:"datepart"`
	ZeroPadded bool   `json:"zero_padded,omitempty"` // 01 instead of 1
}

// CheckURI says why URI cannot be the path of files below a root; nil: it can.
func (f FileConfig) CheckURI() error {
	switch {
	case f.URI == "":
		return errors.New("is required: a path of files relative to the worker's source root")
	case strings.Contains(f.URI, "://"):
		return fmt.Errorf("%q is not supported, want a path of files relative to the worker's source root", f.URI)
	case !filepath.IsLocal(f.URI) || strings.ContainsRune(f.URI, 0):
		return fmt.Errorf("%q leaves the worker's source root, want a path below it", f.URI)
	case strings.ContainsAny(path.Dir(f.URI), "*?"):
		return fmt.Errorf("%q: the wildcards * and ? may stand in the last element only", f.URI)
	}
	return nil
}

// BatchSource is data at rest with declared columns.
type BatchSource struct {
	Metadata
	BatchConfig FileConfig `json:"batch_config"`
	Schema      Schema     `json:"schema"`
}

// ViewSource is a source as a view sees it. In YAML and JSON it may be the
// source's name alone.
type ViewSource struct {
	Source string `json:"source"`
	// StartTimeOffset is zero or negative: how much before the window's start the
	// view's SQL sees the source. The result is held to the window all the same.
	StartTimeOffset Offset `json:"start_time_offset,omitempty"`
}

// BatchTrigger says what starts a view's incremental jobs.
type BatchTrigger string

// The triggers.
const (
	Scheduled BatchTrigger = "SCHEDULED" // a Temporal Schedule; the default
	Manual    BatchTrigger = "MANUAL"    // people; the schedule is paused
)

// BatchFeatureView defines features by SQL over batch sources and, if it has any,
// aggregations over its result. Without aggregations the features are the
// result's columns other than the join keys and the timestamp.
type BatchFeatureView struct {
	Metadata
	Entities []string     `json:"entities"`
	Sources  []ViewSource `json:"sources"`
	// Mode is the language of Transformation; "sql" is DuckDB's dialect.
	Mode string `json:"mode"`
	// Transformation is one SELECT that sees each source as a table of its name.
	// Its result has the join keys, the timestamp field and the aggregated columns or
	// features.
	Transformation string `json:"transformation"`
	TimestampField string `json:"timestamp_field"`
	// Schema of the columns that the transformation returns; plan fills it in.
	Schema              Schema        `json:"schema,omitempty"`
	AggregationInterval Duration      `json:"aggregation_interval,omitempty"`
	Aggregations        []Aggregation `json:"aggregations,omitempty"`
	// AggregationSecondaryKey is a column of the result, String or Int64, whose values
	// the aggregations tell apart: each feature is a list with one element for each.
	AggregationSecondaryKey string `json:"aggregation_secondary_key,omitempty"`
	// LifetimeStartTime is where lifetime windows start; they need it.
	LifetimeStartTime window.Time `json:"lifetime_start_time,omitzero"`
	// BatchSchedule is the length of a window. The default is AggregationInterval;
	// without aggregations there is none.
	BatchSchedule Duration     `json:"batch_schedule,omitempty"`
	BatchTrigger  BatchTrigger `json:"batch_trigger,omitempty"`
	// IncrementalBackfills has each window transformed by itself also in a backfill.
	IncrementalBackfills bool `json:"incremental_backfills,omitempty"`
	// MaxBackfillInterval bounds the range that one query of a backfill transforms;
	// by default a backfill is split into ten.
	MaxBackfillInterval Duration `json:"max_backfill_interval,omitempty"`
	// ManualTriggerBackfillEndTime ends the wanted range of a view with batch_trigger
	// MANUAL: a multiple of BatchSchedule after FeatureStartTime. Jobs with a range of
	// their own may go further.
	ManualTriggerBackfillEndTime window.Time `json:"manual_trigger_backfill_end_time,omitzero"`
	// TTL is how long the row of a view without aggregations is served after its
	// effective time, in whole seconds; zero is for ever.
	TTL Duration `json:"ttl,omitempty"`
	// OnlineServingIndex are the join keys that a query must give: all or all but
	// one, the wildcard. The default is all.
	OnlineServingIndex []string `json:"online_serving_index,omitempty"`
	// FeatureStartTime is the first instant that has features. The Unix epoch
	// itself stands for none and is refused.
	FeatureStartTime window.Time `json:"feature_start_time"`
	Online           bool        `json:"online,omitempty"`
	Offline          bool        `json:"offline,omitempty"`
	// Tests are run by plan and by tilery test, and are not applied.
	Tests []ViewTest `json:"tests,omitempty"`
}

// FeatureTable declares features that are computed elsewhere and ingested. A row
// counts from its own timestamp on. Views and feature tables share one namespace.
type FeatureTable struct { //nolint:revive // its kind in definitions
	Metadata
	Entities []string `json:"entities"`
	// Schema are the columns of what is ingested, in any order: the join keys, exactly
	// one Timestamp, and the features. Features are Bool, Int64, Float64, String, or
	// arrays of Int64, Float32, Float64 or String.
	Schema Schema `json:"schema"`
	// TTL is how long a row is served after its timestamp, in whole seconds; zero is for ever.
	TTL Duration `json:"ttl,omitempty"`
	// OnlineServingIndex are the join keys that a query must give, as of a view.
	OnlineServingIndex []string `json:"online_serving_index,omitempty"`
	Online             bool     `json:"online,omitempty"`
	Offline            bool     `json:"offline,omitempty"`
}

// FeatureService is a set of features that a model uses.
type FeatureService struct { //nolint:revive // its kind in definitions; Service is the resolved one
	Metadata
	Features []ServiceFeatures `json:"features"`
}

// ServiceFeatures are features of one view, or feature table, in a service. In YAML
// and JSON it may be the view's name alone.
type ServiceFeatures struct {
	FeatureView string `json:"feature_view"`
	// Features is a subset of the view's; empty is all.
	Features []string `json:"features,omitempty"`
	// JoinKeyMap maps join keys of the view to the names that the service has for
	// them; keys that are left out keep their names.
	JoinKeyMap map[string]string `json:"join_key_map,omitempty"`
	// Namespace stands before the features' names; the default is the view's name.
	Namespace string `json:"namespace,omitempty"`
}

// Repository is everything that one workspace defines.
type Repository struct {
	Entities          []Entity           `json:"entities,omitempty"`
	BatchSources      []BatchSource      `json:"batch_sources,omitempty"`
	BatchFeatureViews []BatchFeatureView `json:"batch_feature_views,omitempty"`
	FeatureTables     []FeatureTable     `json:"feature_tables,omitempty"`
	FeatureServices   []FeatureService   `json:"feature_services,omitempty"`
}

// Entity returns the entity of that name.
func (r *Repository) Entity(name string) (Entity, bool) {
	return lookup(r.Entities, name, func(e Entity) string { return e.Name })
}

// BatchSource returns the batch source of that name.
func (r *Repository) BatchSource(name string) (BatchSource, bool) {
	return lookup(r.BatchSources, name, func(s BatchSource) string { return s.Name })
}

// BatchFeatureView returns the view of that name.
func (r *Repository) BatchFeatureView(name string) (BatchFeatureView, bool) {
	return lookup(r.BatchFeatureViews, name, func(v BatchFeatureView) string { return v.Name })
}

// FeatureTable returns the feature table of that name.
func (r *Repository) FeatureTable(name string) (FeatureTable, bool) {
	return lookup(r.FeatureTables, name, func(t FeatureTable) string { return t.Name })
}

// ViewNames returns the names of all views, then those of all feature tables: what
// View resolves.
func (r *Repository) ViewNames() []string {
	names := make([]string, 0, len(r.BatchFeatureViews)+len(r.FeatureTables))
	for _, v := range r.BatchFeatureViews {
		names = append(names, v.Name)
	}
	for _, t := range r.FeatureTables {
		names = append(names, t.Name)
	}
	return names
}

// HasView reports whether a view or a feature table has that name.
func (r *Repository) HasView(name string) bool {
	_, isView := r.BatchFeatureView(name)
	_, isTable := r.FeatureTable(name)
	return isView || isTable
}

// FeatureService returns the service of that name.
func (r *Repository) FeatureService(name string) (FeatureService, bool) {
	return lookup(r.FeatureServices, name, func(s FeatureService) string { return s.Name })
}

func lookup[T any](list []T, name string, nameOf func(T) string) (T, bool) {
	for _, item := range list {
		if nameOf(item) == name {
			return item, true
		}
	}
	var none T
	return none, false
}

// Aggregated reports whether the view stores tiles; otherwise it stores rows.
func (v BatchFeatureView) Aggregated() bool { return len(v.Aggregations) > 0 }

// Interval returns the length of a tile; zero for a view that stores rows.
func (v BatchFeatureView) Interval() time.Duration { return time.Duration(v.AggregationInterval) }

// Schedule returns the length of a window.
func (v BatchFeatureView) Schedule() time.Duration {
	if v.BatchSchedule == 0 {
		return v.Interval()
	}
	return time.Duration(v.BatchSchedule)
}
