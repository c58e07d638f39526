package feature

import (
	"fmt"
	"strings"
)

// Aggregation is one feature: a function of a column over a time window.
type Aggregation struct {
	Column     string     `json:"column"`
	Function   Function   `json:"function"`
	TimeWindow TimeWindow `json:"time_window"`
	// Name of the feature; empty means Tecton's default,
	// {column}_{function}_{window}_{aggregation interval}.
	Name string `json:"name,omitempty"`
}

// FeatureName returns the name that the feature is served under:
// for instance "amount_sum_7d_1d", "amount_sum_7d_1d_offset_3d",
// "page_last_distinct_3_lifetime_1d", "amount_sum_1d_1d_series_7d_0s_1d".
func (a Aggregation) FeatureName(interval Duration) string {
	if a.Name != "" {
		return a.Name
	}
	function := string(a.Function)
	if c, err := parseFunction(function); err == nil {
		function = c.featureName()
	}
	size, suffix := a.TimeWindow.names()
	return fmt.Sprintf("%s_%s_%s_%s%s", a.Column, function, size, interval, suffix)
}

// types returns the types of a's column in schema and of the feature, without
// what aggregation_secondary_key makes of it.
func (a Aggregation) types(schema Schema) (input, output Type, err error) {
	field, ok := schema.Lookup(a.Column)
	if !ok {
		return InvalidType, InvalidType, fmt.Errorf("aggregation of %q: no such column, want one of %s", a.Column, strings.Join(schema.Names(), ", "))
	}
	output, err = a.Function.Output(field.Type)
	if err != nil {
		return InvalidType, InvalidType, fmt.Errorf("aggregation of %q: %w", a.Column, err)
	}
	if a.TimeWindow.IsSeries() {
		output = ArrayOf(output)
	}
	return field.Type, output, nil
}
