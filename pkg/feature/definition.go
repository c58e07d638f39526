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
}

// Entity is what features describe, identified by its join keys.
type Entity struct {
	Metadata
	JoinKeys Schema `json:"join_keys"`
}

// FileFormat is the format of a source's files.
type FileFormat string

// Parquet is the only format so far.
const Parquet FileFormat = "parquet"

// FileConfig says where the files of a batch source are and which column is its time.
type FileConfig struct {
	// URI is a path of files with slashes, relative to the worker's source root;
	// the last element may hold the wildcards * and ?. See CheckURI.
	URI            string     `json:"uri"`
	FileFormat     FileFormat `json:"file_format"`
	TimestampField string     `json:"timestamp_field"`
	// DataDelay is how long after the end of a window its data is complete.
	DataDelay Duration `json:"data_delay,omitempty"`
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

// BatchFeatureView defines features by SQL over batch sources and aggregations
// over its result.
type BatchFeatureView struct {
	Metadata
	Entities []string `json:"entities"`
	Sources  []string `json:"sources"`
	// Mode is the language of Transformation; "sql" is DuckDB's dialect.
	Mode string `json:"mode"`
	// Transformation is one SELECT that sees each source as a table of its name.
	// Its result has the join keys, the timestamp field and the aggregated columns.
	Transformation string `json:"transformation"`
	TimestampField string `json:"timestamp_field"`
	// Schema of the columns that the transformation returns; plan fills it in.
	Schema              Schema        `json:"schema,omitempty"`
	AggregationInterval Duration      `json:"aggregation_interval"`
	Aggregations        []Aggregation `json:"aggregations"`
	// BatchSchedule is the length of a window; the default is AggregationInterval.
	BatchSchedule Duration `json:"batch_schedule,omitempty"`
	// FeatureStartTime is the first instant that has features. The Unix epoch
	// itself stands for none and is refused.
	FeatureStartTime window.Time `json:"feature_start_time"`
	Online           bool        `json:"online,omitempty"`
	Offline          bool        `json:"offline,omitempty"`
}

// Repository is everything that one workspace defines.
type Repository struct {
	Entities          []Entity           `json:"entities,omitempty"`
	BatchSources      []BatchSource      `json:"batch_sources,omitempty"`
	BatchFeatureViews []BatchFeatureView `json:"batch_feature_views,omitempty"`
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

func lookup[T any](list []T, name string, nameOf func(T) string) (T, bool) {
	for _, item := range list {
		if nameOf(item) == name {
			return item, true
		}
	}
	var none T
	return none, false
}

// Interval returns the length of a tile.
func (v BatchFeatureView) Interval() time.Duration { return time.Duration(v.AggregationInterval) }

// Schedule returns the length of a window.
func (v BatchFeatureView) Schedule() time.Duration {
	if v.BatchSchedule == 0 {
		return v.Interval()
	}
	return time.Duration(v.BatchSchedule)
}
