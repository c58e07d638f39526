package feature_test

import (
	"github.com/tilery/tilery/pkg/feature"
	"github.com/tilery/tilery/pkg/window"
)

const (
	minute = feature.Duration(60e9)
	hour   = 60 * minute
	day    = 24 * hour
)

// valid returns a repository without a problem; each caller's is its own.
func valid() *feature.Repository {
	return &feature.Repository{
		Entities: []feature.Entity{{
			Metadata: feature.Metadata{Name: "airport"},
			JoinKeys: feature.Schema{{Name: "origin", Type: feature.String}},
		}},
		BatchSources: []feature.BatchSource{{
			Metadata:    feature.Metadata{Name: "flights"},
			BatchConfig: feature.FileConfig{URI: "data/flights-*.parquet", FileFormat: feature.Parquet, TimestampField: "date"},
			Schema: feature.Schema{
				{Name: "date", Type: feature.Timestamp}, {Name: "delay", Type: feature.Int64},
				{Name: "distance", Type: feature.Float64}, {Name: "origin", Type: feature.String},
			},
		}},
		BatchFeatureViews: []feature.BatchFeatureView{{
			Metadata:            feature.Metadata{Name: "delays"},
			Entities:            []string{"airport"},
			Sources:             []feature.ViewSource{{Source: "flights"}},
			Mode:                "sql",
			Transformation:      "SELECT origin, date AS departure, delay, distance FROM flights",
			TimestampField:      "departure",
			Schema:              outputSchema(),
			AggregationInterval: hour,
			Aggregations: []feature.Aggregation{
				{Column: "delay", Function: feature.Mean, TimeWindow: feature.Trailing(day)},
				{Column: "delay", Function: feature.Count, TimeWindow: feature.Trailing(7 * day)},
				{Column: "distance", Function: feature.Sum, TimeWindow: feature.Trailing(hour)},
			},
			BatchSchedule:    day,
			FeatureStartTime: at("2001-01-01"),
			Online:           true,
			Offline:          true,
		}},
	}
}

// rows returns a valid repository whose view has no aggregations: its features are
// delay and distance.
func rows() *feature.Repository {
	r := valid()
	v := &r.BatchFeatureViews[0]
	v.AggregationInterval, v.Aggregations, v.TTL = 0, nil, 30*day
	return r
}

// ingested returns a valid repository with a feature table, risk, by origin.
func ingested() *feature.Repository {
	r := valid()
	r.FeatureTables = []feature.FeatureTable{{
		Metadata: feature.Metadata{Name: "risk"},
		Entities: []string{"airport"},
		Schema: feature.Schema{
			{Name: "score", Type: feature.Float64}, {Name: "origin", Type: feature.String}, {Name: "scored", Type: feature.Timestamp},
			{Name: "embedding", Type: feature.ArrayOf(feature.Float32)},
		},
		TTL: 30 * day, Online: true, Offline: true,
	}}
	return r
}

func outputSchema() feature.Schema {
	return feature.Schema{
		{Name: "origin", Type: feature.String}, {Name: "departure", Type: feature.Timestamp},
		{Name: "delay", Type: feature.Int64}, {Name: "distance", Type: feature.Float64},
	}
}

func at(text string) window.Time {
	t, err := window.Parse(text)
	if err != nil {
		panic(err) //nolint:forbidigo // the literal in a test is wrong
	}
	return t
}
