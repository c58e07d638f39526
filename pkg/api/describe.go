package api

import (
	"github.com/tilery/tilery/pkg/feature"
	"github.com/tilery/tilery/pkg/window"
)

// DescribeRequest names an object of the newest generation.
type DescribeRequest struct {
	Workspace string `json:"workspace"`
	// Kind is for instance BatchFeatureView. Absent, it is the first of view, feature
	// table, service, source and entity that has the name.
	Kind string `json:"kind,omitempty"`
	Name string `json:"name"`
}

// DescribeResponse has the object that Kind names.
type DescribeResponse struct {
	Kind           string                    `json:"kind"`
	FeatureView    *FeatureViewProperties    `json:"feature_view,omitempty"`
	FeatureTable   *FeatureTableProperties   `json:"feature_table,omitempty"`
	FeatureService *FeatureServiceProperties `json:"feature_service,omitempty"`
	BatchSource    *BatchSourceProperties    `json:"batch_source,omitempty"`
	Entity         *EntityProperties         `json:"entity,omitempty"`
}

// Properties are those that every object has, by Tecton's names.
type Properties struct {
	Name           string            `json:"name"`
	Workspace      string            `json:"workspace"`
	ID             string            `json:"id"` // 32 hexadecimal digits
	Description    string            `json:"description"`
	Owner          string            `json:"owner"`
	Tags           map[string]string `json:"tags"`
	CreatedAt      window.Time       `json:"created_at"` // product time of the first apply
	DefinedIn      string            `json:"defined_in"` // file of the feature repository
	PreventDestroy bool              `json:"prevent_destroy"`
}

// FeatureViewProperties describe a batch feature view. What a view does not have
// is null.
type FeatureViewProperties struct {
	Properties
	Entities                     []string              `json:"entities"`
	JoinKeys                     []string              `json:"join_keys"`
	WildcardJoinKey              *string               `json:"wildcard_join_key"`
	OnlineServingIndex           []string              `json:"online_serving_index"`
	TimestampField               string                `json:"timestamp_field"`
	Features                     []string              `json:"features"`
	Sources                      []feature.ViewSource  `json:"sources"`
	Mode                         string                `json:"mode"`
	AggregationInterval          *feature.Duration     `json:"aggregation_interval"`
	Aggregations                 []feature.Aggregation `json:"aggregations"`
	AggregationSecondaryKey      *string               `json:"aggregation_secondary_key"`
	LifetimeStartTime            *window.Time          `json:"lifetime_start_time"`
	BatchSchedule                feature.Duration      `json:"batch_schedule"`
	BatchTrigger                 feature.BatchTrigger  `json:"batch_trigger"`
	IncrementalBackfills         bool                  `json:"incremental_backfills"`
	MaxBackfillInterval          *feature.Duration     `json:"max_backfill_interval"`
	MaxSourceDataDelay           feature.Duration      `json:"max_source_data_delay"`
	FeatureStartTime             window.Time           `json:"feature_start_time"`
	ManualTriggerBackfillEndTime *window.Time          `json:"manual_trigger_backfill_end_time"`
	TTL                          *feature.Duration     `json:"ttl"`
	Online                       bool                  `json:"online"`
	Offline                      bool                  `json:"offline"`
	Fingerprint                  string                `json:"fingerprint"` // of the stored data
	ServingStore                 StoreProperties       `json:"serving_store"`
	FillingStore                 *FillingProperties    `json:"filling_store"` // that of these properties; null if it serves
	URL                          string                `json:"url"`           // the view's jobs on Temporal's pages; empty if the server does not know them
}

// FeatureTableProperties describe a feature table. What a table does not have is null.
type FeatureTableProperties struct {
	Properties
	Entities           []string          `json:"entities"`
	JoinKeys           []string          `json:"join_keys"`
	WildcardJoinKey    *string           `json:"wildcard_join_key"`
	OnlineServingIndex []string          `json:"online_serving_index"`
	TimestampField     string            `json:"timestamp_field"`
	Features           []string          `json:"features"`
	Schema             feature.Schema    `json:"schema"`
	TTL                *feature.Duration `json:"ttl"`
	Online             bool              `json:"online"`
	Offline            bool              `json:"offline"`
	Fingerprint        string            `json:"fingerprint"` // of the stored data
	ServingStore       StoreProperties   `json:"serving_store"`
	URL                string            `json:"url"` // the table's jobs on Temporal's pages; empty if the server does not know them
}

// StoreProperties name the stored data of a view or a table, and the generation whose
// definition it is filled and read with.
type StoreProperties struct {
	Fingerprint string `json:"fingerprint"`
	Generation  int64  `json:"generation"`
}

// FillingProperties describe a store that does not serve yet.
type FillingProperties struct {
	StoreProperties
	Windows int    `json:"windows"` // that it needs to serve
	Missing int    `json:"missing"` // of them
	Lacks   string `json:"lacks"`   // what it lacks to serve; empty if it is about to
}

// FeatureServiceProperties describe a feature service.
type FeatureServiceProperties struct {
	Properties
	Type         feature.ServiceType `json:"type"`
	FeatureViews []string            `json:"feature_views"`
	Features     []string            `json:"features"` // with their namespaces
	JoinKeys     []string            `json:"join_keys"`
}

// BatchSourceProperties describe a batch source.
type BatchSourceProperties struct {
	Properties
	BatchConfig  feature.FileConfig `json:"batch_config"`
	Schema       feature.Schema     `json:"schema"`
	FeatureViews []string           `json:"feature_views"` // that read it
}

// EntityProperties describe an entity.
type EntityProperties struct {
	Properties
	JoinKeys     feature.Schema `json:"join_keys"`
	FeatureViews []string       `json:"feature_views"` // of it, feature tables among them
}
